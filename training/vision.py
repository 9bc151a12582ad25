"""torchvision, also where its native operators cannot be loaded.

PyPI's torchvision is built for CUDA; beside a CPU build of torch its library of operators does not load, and the import ends
with "operator torchvision::nms does not exist". Only detection models call these two; declaring them lets the rest import.
Every import of torchvision in this package goes through here.
"""

import torch

_UNUSED_OPERATORS = ("nms", "qnms")

try:
    import torchvision
except RuntimeError:
    for _name in _UNUSED_OPERATORS:
        torch.library.define(f"torchvision::{_name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

from torchvision import datasets, models  # noqa: E402 - importable only now
from torchvision.transforms import v2  # noqa: E402 - the same

__all__ = ["datasets", "models", "torchvision", "v2"]
