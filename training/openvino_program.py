"""The OpenVINO programs: conversion from the exported program, without telemetry."""

import io
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch

# Both report each use to their maker unless the user has opted out; without this package they cannot.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

from training.measure import Predict  # noqa: E402


def convert(program: torch.export.ExportedProgram, item_shape: tuple[int, ...]) -> Any:
    """Convert an exported program to an OpenVINO model (fp32) that takes batches of any size."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        # torch 2.13's own use of a deprecated pytree class, while it copies an exported program.
        warnings.simplefilter("ignore", FutureWarning)
        return openvino.convert_model(program, input=[(-1, *item_shape)])


def save(model: Any, name: str, path: Path) -> None:
    """Write `path` (.xml) and its weights (.bin), with names that depend on the model only."""
    # Names given by the converter count what the process has converted before.
    model.set_friendly_name(name)
    for index, operation in enumerate(model.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{index}")
    path.parent.mkdir(exist_ok=True)
    openvino.save_model(model, path, compress_to_fp16=False)


def predictor(path: Path) -> Predict:
    """Load a saved program as the service does."""
    # Without the hint, CPUs that have bfloat16 use it, and differ from the reference by 0.01.
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda batch: np.asarray(compiled(batch)[0])
