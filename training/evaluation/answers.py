"""A run's network, and its answers to the items of a split."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from training.config import ProjectConfig
from training.data import Items
from training.networks import build
from training.run import Lineage, Run, RunError

_THREADS = (os.cpu_count() or 1) + 1
# Says how many of how many items are answered.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainedModel:
    """A run's network with its best weights, and what it takes to ask it."""

    network: torch.nn.Module
    config: ProjectConfig
    lineage: Lineage

    def answer(self, items: Items, batch_size: int, progress: Progress = lambda _done, _all: None) -> NDArray[np.float64]:
        """Return logits (n, classes) for every item, prepared as the served program gets it; on the GPU where there is one."""
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network.to(device)
        logits: list[NDArray[np.float64]] = []
        done = 0
        with torch.inference_mode():
            for batch in _batches(items, batch_size):
                inputs = self._normalised(batch).to(device)
                if inputs.ndim == 4 and self.config.training.channels_last:
                    inputs = inputs.contiguous(memory_format=torch.channels_last)
                logits.append(self.network(inputs).double().cpu().numpy())
                done += len(batch)
                progress(done, len(items))
        return np.concatenate(logits)

    def _normalised(self, batch: NDArray[Any]) -> torch.Tensor:
        """Turn uint8 (n, h, w, 3) or float32 (n, k) into the network's input, with the normalisation of the training."""
        mean, std = torch.tensor(self.lineage.mean), torch.tensor(self.lineage.std)
        values = torch.from_numpy(batch)
        if values.dtype == torch.uint8:
            return (values.permute(0, 3, 1, 2) / 255.0 - mean.reshape(1, -1, 1, 1)) / std.reshape(1, -1, 1, 1)
        return (values - mean) / std


def load_model(run: Run) -> TrainedModel:
    """Return a run's network with its best weights, in evaluation mode.

    Raises:
        RunError: the run is not done, or the weights do not fit the configuration.
    """
    lineage, config = run.finished(), run.config()
    # Every weight comes from the run: nothing is to be downloaded.
    bare = config.model_copy(update={"network": config.network.model_copy(update={"pretrained": False, "weights": None})})
    network = build(bare, len(lineage.classes), len(lineage.feature_names)).module
    try:
        network.load_state_dict(load_file(run.weights))
    except (RuntimeError, SafetensorError) as error:
        first = str(error).splitlines()[0]
        raise RunError(f"{run.weights} does not fit the network of {run.config_file.name}: {first}") from None
    return TrainedModel(network.eval(), config, lineage)


def _batches(items: Items, batch_size: int) -> Iterator[NDArray[Any]]:
    """Prepare batches in threads: a few of them ahead of the network, and never all."""
    starts = iter(range(0, len(items), batch_size))
    with ThreadPoolExecutor(_THREADS) as threads:

        def submit(start: int) -> Future[NDArray[Any]]:
            return threads.submit(items.batch, np.arange(start, min(start + batch_size, len(items))))

        ahead = deque(submit(start) for start in islice(starts, _THREADS))
        while ahead:
            batch = ahead.popleft().result()
            ahead.extend(submit(start) for start in islice(starts, 1))
            yield batch
