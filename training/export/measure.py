"""Measures programs against the reference: agreement, golden answers, speed."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.manifest import Agreement

# A batch of items (n, *shape) to probabilities, float32 (n, classes).
Predict = Callable[[NDArray[Any]], NDArray[np.float32]]

# The largest batch that a loaded host makes by itself (inference.backends.DEFAULT_BATCH, which training never imports).
_BATCH = 4
_ROUNDS = 7
_SECONDS_A_ROUND = 0.15
# The first of them, for which a program may still be compiled, does not count.
_SINGLE_ITEMS = 21


def answer(predict: Predict, items: NDArray[Any]) -> NDArray[np.float32]:
    """Answer any number of items, in batches of one size: the last is filled up."""
    filled = np.resize(items, (-(-len(items) // _BATCH) * _BATCH, *items.shape[1:]))
    answers = [predict(filled[start : start + _BATCH]) for start in range(0, len(filled), _BATCH)]
    return np.concatenate(answers)[: len(items)]


def agreement(expected: NDArray[np.float32], answered: NDArray[np.float32]) -> Agreement:
    """Compare probabilities (n, classes) with the reference's for the same items."""
    same = expected.argmax(axis=1) == answered.argmax(axis=1)
    return Agreement(
        top1=float(same.mean()), max_abs_difference=float(f"{np.abs(expected - answered).max():.3g}"), samples=len(expected)
    )


def seconds_per_item(predict: Predict, items: NDArray[Any]) -> float:
    """Return the median time of a single item."""
    times = []
    for index in range(_SINGLE_ITEMS):
        item = items[index % len(items)][None]
        start = time.perf_counter()
        predict(item)
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def items_per_second(programs: Mapping[str, Predict], items: NDArray[Any]) -> dict[str, float]:
    """Measure each program's speed on batches of the served size, with all cores that this process may use.

    The programs take turns and the best turn of each counts: whatever else the machine does slows some turns of all.
    """
    batch = np.resize(items, (_BATCH, *items.shape[1:]))
    best = dict.fromkeys(programs, 0.0)
    for predict in programs.values():
        predict(batch)
    for _ in range(_ROUNDS):
        for name, predict in programs.items():
            done, start = 0, time.perf_counter()
            while (spent := time.perf_counter() - start) < _SECONDS_A_ROUND:
                predict(batch)
                done += _BATCH
            best[name] = max(best[name], done / spent)
    return best
