"""PyTorch: the reference, running the exported program."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bundle import Bundle, BundleError
from bundle.exported_program import check_exported_program


class TorchBackend:
    """An exported program, unlifted to a module."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            answer: NDArray[np.float32] = self._module(torch.from_numpy(batch)).numpy()
        return answer


def open_backend(bundle: Bundle, threads: int) -> TorchBackend:
    """Load the bundle's `.pt2`, after checking again that loading it runs nothing that it carries."""
    program = bundle.manifest.backends["torch"].program
    path = bundle.path(program)
    try:
        check_exported_program(path, program)
    except BundleError as error:
        raise ValueError(str(error)) from None
    torch.set_num_threads(threads)
    return TorchBackend(torch.export.load(path).module())
