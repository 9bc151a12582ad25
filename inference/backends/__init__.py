"""The engines that run a model. Which one a host uses is the bundle's choice; only that one need be installed."""

from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from bundle import Bundle
from bundle.manifest import Program

# Measured with ResNet-50 in int8 on two cores: four inputs together cost 4 % less each than one alone, eight 11 % less
# but twice the memory and the wait; in fp32 there is no difference.
DEFAULT_BATCH = 4


class BackendError(Exception):
    """The engine cannot be loaded; the message says what is missing."""


class Backend(Protocol):
    """A loaded model.

    Attributes:
        streams: calls of `predict` that may run at once, each from a thread of its own.
        batch_sizes: numbers of inputs that run as they are, ascending, from 1. Others are run in parts.
        max_batch: inputs that one call takes at most.
    """

    @property
    def streams(self) -> int: ...

    @property
    def batch_sizes(self) -> tuple[int, ...]: ...

    @property
    def max_batch(self) -> int: ...

    def predict(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Turn inputs of shape (n, *input.shape), n <= max_batch, into probabilities of shape (n, classes)."""
        ...


class _BackendModule(Protocol):
    def open_backend(self, bundle: Bundle, program: Program, threads: int, batch: int) -> Backend: ...


def open_backend(bundle: Bundle, program_name: str, threads: int, batch: int = 0) -> Backend:
    """Load a program of the bundle.

    Args:
        program_name: key of the manifest's `programs`.
        threads: CPU threads that all inferences together may use.
        batch: inputs of one call at most; 0: what is best for the program.

    Raises:
        BackendError: the bundle has no such program, the engine is not installed, or it cannot load the program.
    """
    programs = bundle.manifest.programs
    if program_name not in programs:
        raise BackendError(f"the bundle has no program {program_name}; it has {', '.join(sorted(programs))}")
    program = programs[program_name]
    try:
        module = cast(_BackendModule, import_module(f"inference.backends.{program.backend}_backend"))
    except ModuleNotFoundError as error:
        extra = f"pettracker-ml[serve-{program.backend}]"
        raise BackendError(f"the program {program_name} needs {error.name}; install {extra}") from None
    try:
        return module.open_backend(bundle, program, threads, batch)
    except Exception as error:  # Engines raise whatever they like for a program that they cannot read.
        raise BackendError(f"{program.backend} cannot load {program.path}: {error}") from None


def batch_sizes(largest: int) -> tuple[int, ...]:
    """Return 1, 2, 4, … up to the largest, which is always among them."""
    powers = [1 << exponent for exponent in range(largest.bit_length()) if 1 << exponent < largest]
    return (*powers, largest)
