"""Batches of one epoch.

Order and augmentation are pure functions of the seed, the epoch and the item: an epoch that is resumed in the middle, with
other workers or by other processes, sees the same batches.
"""

import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from training.config import ProjectConfig
from training.data.augmentation import Augmenter
from training.data.items import Items

Batch = tuple[torch.Tensor, torch.Tensor]

_SIGNALS = {signal.SIGINT, signal.SIGTERM}


class Batches:
    """The batches of one epoch that are still to be done, of one process: inputs and labels.

    Inputs are uint8 (n, crop, crop, 3) or float32 (n, k); labels are int64 (n,). With several processes, each has its part of
    every batch, and parts differ by one item at most; where a batch has fewer items than there are processes, some are empty.

    Attributes:
        sizes: of the batches, all processes together. They differ by one at most: no epoch ends with a batch of one item.
    """

    def __init__(
        self,
        items: Items,
        config: ProjectConfig,
        *,
        batch_size: int,
        epoch: int = 0,
        train: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        start_batch: int = 0,
    ) -> None:
        """Describe an epoch.

        Args:
            train: shuffled and augmented; otherwise in order, as the service would prepare the items.
            start_batch: how many batches of the epoch are already done.
        """
        order = np.random.default_rng((seed, epoch)).permutation(len(items)) if train else np.arange(len(items))
        whole = np.array_split(order, -(-len(items) // batch_size))[start_batch:] if len(items) else []
        self.sizes = [len(batch) for batch in whole]
        self._parts = [np.array_split(batch, world_size)[rank] for batch in whole]
        augmenter = Augmenter(items, config, seed, epoch) if train and config.input.kind == "image" else None
        self._maker = _Maker(items, augmenter)
        self._workers = min(config.training.workers, len(whole))

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[Batch]:
        if not self._workers:
            return (self._maker.make(part) for part in self._parts)
        loader: DataLoader[Batch] = DataLoader(
            self._maker,
            batch_sampler=[part.tolist() for part in self._parts],
            num_workers=self._workers,
            collate_fn=_as_made,
            worker_init_fn=_leave_signals_to_the_training,
            # Its own, so that workers leave the generator of the training as it is.
            generator=torch.Generator(),
        )
        # A signal that comes before a worker has set its own ways would end it; workers inherit what is blocked here.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            return iter(loader)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Maker(Dataset[Batch]):
    """Makes batches of indices, in a worker or not."""

    def __init__(self, items: Items, augmenter: Augmenter | None) -> None:
        self._items = items
        self._augmenter = augmenter

    def __getitems__(self, indices: list[int]) -> Batch:
        return self.make(np.array(indices, np.int64))

    def make(self, indices: NDArray[np.int64]) -> Batch:
        labels = torch.from_numpy(self._items.labels[indices])
        if not len(indices):
            return torch.from_numpy(self._items.batch(np.array([0]))[:0]), labels
        pixels = self._augmenter.batch(indices) if self._augmenter else self._items.batch(indices)
        return torch.from_numpy(np.ascontiguousarray(pixels)), labels


def _as_made(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_training(_worker: int) -> None:
    # A terminal and systemd signal every process; without its workers, the training could not finish the step that it is in.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
