"""Whether some hosts answer the same requests more slowly than others that were asked in the same rounds. Pure functions only.

The time of an answer has three parts: the service computes, it waits for a processor, and it waits for something else. Other
load on a machine changes the second one, by as much as it likes; the release changes the first (more code, a bigger model) and
the last (locks, sleeps, a disk; what a hypervisor takes away belongs here as well). So these two are compared by themselves.
The whole time is compared too, for what a host does beside its service, but has to be longer in three of four rounds.

A round is one observation, for what disturbs it disturbs all of its answers. Differences are tested by Wilcoxon's signed-rank
test (Biometrics Bulletin 1, 1945), which pairs new and old hosts by their rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

# By number, and then by the sha256 of the input, the seconds of one answer: all, computing, and waiting for a processor.
# The last two are None where no kernel has counted them; see probing.Seen.rounds.
Rounds = Mapping[str, Mapping[str, list[float | None]]]
# The same of several hosts: by number and input, the medians of each of the three.
_Medians = dict[int, dict[str, NDArray[np.float64]]]
# A host that was late in one round took the turn before or after.
_NEIGHBOURS = (0, -1, 1)


@dataclass(frozen=True)
class Part:
    """How much longer new hosts take for a part of the time.

    Attributes:
        told: what they do, for people.
        ratio: their time as a multiple of old hosts'.
        probability: of such differences if both were alike.
        rounds: in which both were asked.
    """

    told: str
    ratio: float
    probability: float
    rounds: int


def common_inputs(new: Iterable[Rounds], old: Iterable[Rounds]) -> set[str]:
    """Returns the inputs that hosts of both sides have answered."""
    return _answered(new) & _answered(old)


def in_the_same_rounds(new: Iterable[Rounds], old: Iterable[Rounds]) -> int:
    """Returns in how many rounds hosts of both sides have answered the same input."""
    return sum(1 for _ in _pairs(_by_round(new), _by_round(old)))


def parts(new: Iterable[Rounds], old: Iterable[Rounds]) -> list[Part]:
    """Returns the parts of the time that can be compared: computing, waiting for something else, and the whole."""
    pairs = list(_pairs(_by_round(new), _by_round(old)))
    counted = [(ours, theirs) for ours, theirs in pairs if not np.isnan(ours + theirs).any()]
    found = []
    if counted:
        computing = [np.median(np.log(ours[:, 1] / theirs[:, 1])) for ours, theirs in counted]
        found.append(_part("compute", computing, np.exp(np.median(computing))))
        # As a share of what an answer of old hosts takes: what waits for nothing cannot be divided by.
        usual = np.median([theirs[:, 0].mean() for _, theirs in counted])
        waiting = [np.median(_else(ours) - _else(theirs)) / usual for ours, theirs in counted]
        found.append(_part("wait for something else than a processor", waiting, 1 + np.median(waiting)))
    if pairs:
        whole = [np.median(np.log(ours[:, 0] / theirs[:, 0])) for ours, theirs in pairs]
        found.append(_part("answer", whole, np.exp(np.quantile(whole, 0.25))))
    return found


def _answered(hosts: Iterable[Rounds]) -> set[str]:
    return {sent for rounds in hosts for taken in rounds.values() for sent in taken}


def _by_round(hosts: Iterable[Rounds]) -> _Medians:
    gathered: dict[int, dict[str, list[Any]]] = {}
    for rounds in hosts:
        for number, taken in rounds.items():
            for sent, seconds in taken.items():
                gathered.setdefault(int(number), {}).setdefault(sent, []).append(seconds)
    return {
        number: {sent: np.median(np.array(answers, float), axis=0) for sent, answers in taken.items()}
        for number, taken in gathered.items()
    }


def _pairs(new: _Medians, old: _Medians) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yields, for each round, what both sides took for the inputs that both have answered: shape (inputs, 3), in seconds."""
    for number, ours in sorted(new.items()):
        for other in (number + step for step in _NEIGHBOURS):
            common = sorted(ours.keys() & old.get(other, {}).keys())
            if common:
                yield np.array([ours[sent] for sent in common]), np.array([old[other][sent] for sent in common])
                break


def _else(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns what is neither computing nor waiting for a processor. Threads side by side make it negative, on both sides."""
    rest: NDArray[np.float64] = seconds[:, 0] - seconds[:, 1] - seconds[:, 2]
    return rest


def _part(told: str, more: list[float], ratio: float) -> Part:
    probability = float(wilcoxon(more, alternative="greater").pvalue) if any(more) else 1.0
    return Part(told, float(ratio), probability, len(more))
