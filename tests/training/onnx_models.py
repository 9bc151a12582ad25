"""A small classifier in ONNX, as torch's exporter and as converters from Keras write it, and the same in torch."""

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CLASSES = ["cat", "dog", "ferret", "goose"]
CROP = 32
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.3, 0.35)


def network() -> torch.nn.Sequential:
    """Return normalised float32 [n, 3, 32, 32] to logits [n, 4]."""
    torch.manual_seed(11)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, len(CLASSES)),
    )
    with torch.no_grad():
        layers[4].weight.mul_(6)
    return layers.eval()


def truth(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Answer uint8 (n, 32, 32, 3) with probabilities."""
    inputs = (torch.from_numpy(pixels.copy()).float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.inference_mode():
        return torch.softmax(network()(inputs.permute(0, 3, 1, 2)), dim=1).numpy()


def model(
    *,
    layout: str = "NCHW",
    batch: int | None = None,
    last: str | None = None,
    reshape: list[int] | None = None,
    opset: int = 17,
    normalised: bool = False,
) -> onnx.ModelProto:
    """Return the network as ONNX.

    Args:
        batch: the only batch size; None: any.
        last: an operator at the end, such as "Softmax".
        reshape: shape that a Reshape brings the pooled features to; None: Flatten.
        normalised: a BatchNormalization, which changes nothing, follows the convolution.
    """
    layers = network()
    size: int | str = batch or "n"
    shape = [size, CROP, CROP, 3] if layout == "NHWC" else [size, 3, CROP, CROP]
    weights = {
        "kernel": layers[0].weight,
        "kernel_bias": layers[0].bias,
        "matrix": layers[4].weight.T,
        "matrix_bias": layers[4].bias,
    }
    tensors = [numpy_helper.from_array(np.ascontiguousarray(each.detach().numpy()), name) for name, each in weights.items()]
    nodes = []
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", ["input"], ["photo"], perm=[0, 3, 1, 2]))
    photo = "photo" if layout == "NHWC" else "input"
    nodes.append(helper.make_node("Conv", [photo, "kernel", "kernel_bias"], ["convolved"], strides=[2, 2]))
    if normalised:
        neutral = {"scale": 1.0, "shift": 0.0, "average": 0.0, "variance": 1.0}
        tensors += [numpy_helper.from_array(np.full(8, value, np.float32), name) for name, value in neutral.items()]
        nodes.append(helper.make_node("BatchNormalization", ["convolved", *neutral], ["normal"], epsilon=0.0))
    nodes += [
        helper.make_node("Relu", ["normal" if normalised else "convolved"], ["rectified"]),
        helper.make_node("GlobalAveragePool", ["rectified"], ["pooled"]),
    ]
    if reshape:
        tensors.append(numpy_helper.from_array(np.array(reshape, np.int64), "target"))
        nodes.append(helper.make_node("Reshape", ["pooled", "target"], ["flat"]))
    else:
        nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"]))
    nodes += [
        helper.make_node("MatMul", ["flat", "matrix"], ["product"]),
        helper.make_node("Add", ["product", "matrix_bias"], ["logits"]),
    ]
    if last:
        nodes.append(helper.make_node(last, ["logits"], ["answers"]))
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("answers" if last else "logits", TensorProto.FLOAT, [size, len(CLASSES)])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def write(path: Path, content: onnx.ModelProto) -> Path:
    path.write_bytes(content.SerializeToString())
    return path
