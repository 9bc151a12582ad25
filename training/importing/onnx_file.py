"""Reads an ONNX file: refuses what it should not hold, and finds out what the model takes and answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError, Message

from training.importing.files import ModelFileError

Layout = Literal["NCHW", "NHWC"]
Answers = Literal["logits", "probabilities"]

_STANDARD_DOMAINS = ("", "ai.onnx")
# What may stand between the last computation and the output without changing the numbers.
_PASSING = ("Identity", "Flatten", "Reshape", "Squeeze")


@dataclass(frozen=True)
class OnnxFile:
    """A classifier of photos.

    Attributes:
        model: checked, in one file, of standard operators only.
        input: name of its input, float32 in `layout`.
        crop: pixels of a side of its square photos.
        batch: the one batch size that it takes; None: any.
        answers: what it answers, by its last operator: only a softmax makes probabilities.
    """

    model: onnx.ModelProto
    input: str
    layout: Layout
    crop: int
    batch: int | None
    answers: Answers


def read_onnx(path: Path, layout: Layout | None, crop: int | None, answers: Answers | None = None) -> OnnxFile:
    """Read a model. Layout, crop and answers are needed only where the file does not tell.

    Raises:
        ModelFileError: it is no model, names other files, has operators that are not ONNX's, or is no classifier of photos.
    """
    model = _of_its_own(path, _parsed(path))
    initialised = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initialised]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise ModelFileError(
            f"{path} has {len(inputs)} inputs and {len(model.graph.output)} outputs; a classifier has one of each: "
            "export it without the others"
        )
    tensor = inputs[0].type.tensor_type
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        raise ModelFileError(f"the input of {path} is {kind}; it has to be float32: export it in single precision")
    sides = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    batch, found_layout, found_crop = _geometry(path, sides, layout, crop)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise ModelFileError(f"{path} breaks ONNX's rules: {str(error).strip().splitlines()[0]}") from None
    last = _last_computation(model.graph)
    if last in ("Sigmoid", "HardSigmoid") and not answers:
        raise ModelFileError(
            f"{path} ends in {last}: each class is answered for itself. Only classifiers whose probabilities sum to one "
            "are served: export it with a softmax, or without the last activation"
        )
    found_answers = answers or ("probabilities" if last == "Softmax" else "logits")
    return OnnxFile(model, inputs[0].name, found_layout, found_crop, batch, found_answers)


def _parsed(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except DecodeError:
        model = onnx.ModelProto()
    if not model.graph.node:
        raise ModelFileError(f"{path} is no ONNX model, or it is cut off")
    return model


def _of_its_own(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that consists of ONNX's operators and needs no other file, without functions of its own."""
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            places = [entry.value for entry in tensor.external_data if entry.key == "location"]
            raise ModelFileError(
                f"{path} keeps {tensor.name!r} in another file ({', '.join(places)}), and other files are not opened for it: "
                "save it as one file, with onnx.save(onnx.load('model.onnx'), 'one-file.onnx')"
            )
    opset = max((each.version for each in model.opset_import if each.domain in _STANDARD_DOMAINS), default=0)
    if opset > onnx.defs.onnx_opset_version():
        raise ModelFileError(
            f"{path} uses opset {opset}; this release knows those up to {onnx.defs.onnx_opset_version()}: export it with a "
            "lower one"
        )
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except (RuntimeError, ValueError) as error:
            raise ModelFileError(f"{path} has functions that cannot be resolved: {error}") from None
    names = {(node.domain, node.op_type) for node in _nodes(model.graph)}
    foreign = sorted(f"{domain}.{kind}" for domain, kind in names if domain not in _STANDARD_DOMAINS)
    if foreign:
        raise ModelFileError(f"{path} has operators that are not ONNX's own: {', '.join(foreign[:5])}")
    return model


def _tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """Yield every tensor, wherever it is: also in attributes, subgraphs, functions and sparse tensors."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in [value] if isinstance(value, Message) else value:
                if isinstance(each, Message):
                    yield from _tensors(each)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                yield from _nodes(inner)


def _geometry(
    path: Path, sides: list[int | None], layout: Layout | None, crop: int | None
) -> tuple[int | None, Layout, int]:
    shape = "x".join("?" if side is None else str(side) for side in sides)
    if len(sides) != 4:
        raise ModelFileError(f"the input of {path} is {shape or 'unknown'}; photos need batch, channels, height, width")
    possible: list[Layout] = []
    if sides[1] in (3, None) and sides[2] == sides[3]:
        possible.append("NCHW")
    if sides[3] in (3, None) and sides[1] == sides[2]:
        possible.append("NHWC")
    # A dimension that is known to be three says more than one that could be.
    certain: list[Layout] = [each for each in possible if sides[_CHANNELS[each]] == 3]
    possible = [layout] if layout in possible else [] if layout else certain or possible
    if not possible:
        wanted = layout or "batch, 3 channels, and a square"
        raise ModelFileError(f"the input of {path} is {shape}, which is not {wanted}")
    if len(possible) > 1:
        raise ModelFileError(f"the input of {path} is {shape}: say with --input-layout which dimension is the channels")
    side = sides[3] if possible[0] == "NCHW" else sides[1]
    if side is None and crop is None:
        raise ModelFileError(f"the input of {path} is {shape}: say with --crop how many pixels it was trained with")
    if crop is not None and side not in (None, crop):
        raise ModelFileError(f"the input of {path} is {shape}, and --crop says {crop}")
    return sides[0], possible[0], int(side or crop or 0)


_CHANNELS: dict[Layout, int] = {"NCHW": 1, "NHWC": 3}


def _last_computation(graph: onnx.GraphProto) -> str:
    """Return the type of the operator whose numbers are the output."""
    producers: dict[str, Any] = {name: node for node in graph.node for name in node.output}
    node = producers.get(graph.output[0].name)
    while node is not None and node.op_type in _PASSING:
        node = producers.get(node.input[0])
    return node.op_type if node is not None else ""
