"""The processes of one training: one alone, or several that `torchrun` started."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

Result = TypeVar("Result")

# The first process reads or downloads the data while the others wait.
_PATIENCE = timedelta(hours=2)


@dataclass(frozen=True)
class Processes:
    """This process among the others.

    Attributes:
        rank: 0 is the one that writes and speaks.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0

    def total(self, values: list[float]) -> list[float]:
        """Return the sums over all processes."""
        if self.size == 1:
            return values
        # NCCL adds up on the GPU; float64 counts items exactly.
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(sums)
        return [float(value) for value in sums]

    def share(self, tensors: list[torch.Tensor]) -> None:
        """Overwrite the tensors with those of the first process."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def first_then_others(self, work: Callable[[], Result]) -> Result:
        """Do the same in each process, in the first one alone to begin with: what it leaves on disk the others find."""
        if self.first:
            result = work()
        if self.size > 1:
            dist.barrier()
        return result if self.first else work()

    def parallel(self, network: nn.Module) -> nn.Module:
        """Return the network as it is trained: the gradients are the mean of all processes'.

        Batch norm is computed over all processes' items on CUDA. torch has no such thing for CPUs: there each process
        computes it over its own part of the batch, and the first one's running statistics are kept.
        """
        if self.size == 1:
            return network
        if self.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
            return nn.parallel.DistributedDataParallel(network, device_ids=[self.device.index])
        return nn.parallel.DistributedDataParallel(network)


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the other processes, if `torchrun` started this one."""
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if size == 1:
        yield Processes(0, 1, device)
        return
    dist.init_process_group("nccl" if cuda else "gloo", timeout=_PATIENCE)
    try:
        yield Processes(rank, size, device)
    finally:
        dist.destroy_process_group()
