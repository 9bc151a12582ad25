"""PyTorch: the reference, running the exported program."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bundle import Bundle, BundleError
from bundle.exported_program import read_exported_program
from bundle.manifest import Program
from inference.backends import DEFAULT_BATCH, batch_sizes


class TorchBackend:
    """An exported program, unlifted to a module. One call at a time, as each uses all threads."""

    streams = 1

    def __init__(self, module: Any, batch: int) -> None:
        self.batch_sizes = batch_sizes(batch)
        self.max_batch = batch
        self._module = module

    def predict(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        # Torch knows neither read-only memory, which decoded pixels are, nor negative strides.
        writable = np.require(batch, requirements=["C", "W"])
        with torch.inference_mode():
            answer: NDArray[np.float32] = self._module(torch.from_numpy(writable)).numpy()
        return answer


def open_backend(bundle: Bundle, program: Program, threads: int, batch: int) -> TorchBackend:
    """Load the bundle's `.pt2`: not the file itself, but what was read and checked of it."""
    try:
        checked = read_exported_program(bundle.path(program.path), program.path)
    except BundleError as error:
        raise ValueError(str(error)) from None
    torch.set_num_threads(threads)
    return TorchBackend(torch.export.load(checked).module(), batch or DEFAULT_BATCH)
