"""The OpenVINO programs: conversion from the exported program, without telemetry."""

import io
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# Both report each use to their maker unless the user has opted out; without this package they cannot.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402 - only now does it find no telemetry

from training.export.measure import Predict  # noqa: E402 - after the one above


def convert(program: torch.export.ExportedProgram, item_shape: tuple[int, ...]) -> Any:
    """Convert an exported program to an OpenVINO model (fp32) that takes batches of any size."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        # torch 2.13's own use of a deprecated pytree class, while it copies an exported program.
        warnings.simplefilter("ignore", FutureWarning)
        return openvino.convert_model(program, input=[(-1, *item_shape)])


def save(model: Any, name: str, path: Path) -> Path:
    """Write `path` (.xml) and its weights (.bin), with names that depend on the model only; return `path`."""
    # Names given by the converter count what the process has converted before.
    model.set_friendly_name(name)
    for index, operation in enumerate(model.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{index}")
    path.parent.mkdir(exist_ok=True)
    openvino.save_model(model, path, compress_to_fp16=False)
    return path


def read(path: Path) -> Any:
    """Read a saved program, to change it or to compile it."""
    return openvino.Core().read_model(path)


def with_batch(model: Any, size: int) -> Any:
    """Return a copy that takes batches of `size` items, or of any size (-1)."""
    copy = model.clone()
    shape = copy.input().get_partial_shape()
    shape[0] = size
    copy.reshape(shape)
    return copy


def compiled(model: Any) -> Predict:
    """Compile a program as the service does: once for each size of batch that comes.

    OpenVINO 2026.4's CPU plugin corrupts the heap when one with a dynamic size runs.
    """
    programs: dict[int, Any] = {}

    def predict(batch: NDArray[Any]) -> NDArray[np.float32]:
        size = len(batch)
        if size not in programs:
            # Without the hint, CPUs that have bfloat16 use it, and differ from the reference by 0.01.
            hint = {"INFERENCE_PRECISION_HINT": "f32"}
            programs[size] = openvino.Core().compile_model(with_batch(model, size), "CPU", hint)
        return np.array(programs[size](batch)[0])

    return predict
