"""The engines that run a model. Which one a host uses is the bundle's choice; only that one need be installed."""

from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from bundle import Bundle
from bundle.manifest import BackendName


class BackendError(Exception):
    """The engine cannot be loaded; the message says what is missing."""


class Backend(Protocol):
    """A loaded model. One call at a time; it may use several threads itself."""

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn inputs of shape (batch, 3, crop, crop) into probabilities of shape (batch, classes)."""
        ...


class _BackendModule(Protocol):
    def open_backend(self, bundle: Bundle, threads: int) -> Backend: ...


def open_backend(bundle: Bundle, name: BackendName, threads: int) -> Backend:
    """Load the bundle's program for an engine.

    Args:
        threads: CPU threads that one inference may use.

    Raises:
        BackendError: the bundle has no such program, the engine is not installed, or it cannot load the program.
    """
    if name not in bundle.manifest.backends:
        offered = ", ".join(sorted(bundle.manifest.backends))
        raise BackendError(f"the bundle has no program for the backend {name}; it has {offered}")
    try:
        module = cast(_BackendModule, import_module(f"inference.backends.{name}_backend"))
    except ModuleNotFoundError as error:
        extra = f"pettracker-ml[serve-{name}]"
        raise BackendError(f"the backend {name} needs {error.name}, which is not installed; install {extra}") from None
    try:
        return module.open_backend(bundle, threads)
    except Exception as error:  # Engines raise whatever they like for a program that they cannot read.
        raise BackendError(
            f"the backend {name} cannot load {bundle.manifest.backends[name].program}: {error}"
        ) from None
