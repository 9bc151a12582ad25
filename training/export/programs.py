"""A program of a bundle while it is being made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.export import openvino_program
from training.export.measure import Predict

Say = Callable[[str], None]

OPENVINO_FP32, OPENVINO_INT8, TORCH_FP32 = "openvino-fp32", "openvino-int8", "torch-fp32"
# Above what differs between JPEG decoders and CPU kernels (0.001), below a wrong channel order, crop or normalisation.
FP32_TOLERANCE = 0.02
# Below a wrong channel order, crop or normalisation; what eight bits change is seen in the agreement.
INT8_TOLERANCE = 0.15


@dataclass(frozen=True)
class Written:
    """A program that was written.

    Attributes:
        entry: the manifest's, without what is measured.
        tolerance: by how much it may be off on the golden set, in probability.
        predict: runs it.
    """

    entry: dict[str, Any]
    tolerance: float
    predict: Predict


def written_openvino(path: Path, precision: str) -> Written:
    """Describe a saved OpenVINO program (.xml, its weights beside it), of which the folder is part of its name."""
    weights = path.with_suffix(".bin")
    entry = {"path": f"{path.parent.name}/{path.name}", "weights": f"{weights.parent.name}/{weights.name}"}
    return Written(
        {"backend": "openvino", "precision": precision, **entry},
        INT8_TOLERANCE if precision == "int8" else FP32_TOLERANCE,
        openvino_program.compiled(openvino_program.read(path)),
    )
