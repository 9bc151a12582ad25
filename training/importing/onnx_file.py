"""Reads an ONNX file: refuses what it should not hold, and finds out what the model takes and answers."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
import onnx.inliner
import onnx.version_converter
from google.protobuf.message import DecodeError, Message

from training.importing.files import ModelFileError

Layout = Literal["NCHW", "NHWC"]
Answers = Literal["logits", "probabilities"]

_STANDARD_DOMAINS = ("", "ai.onnx")
# protobuf's own limit, and more than any classifier has of nodes, once all functions are in place, and of numbers in one
# tensor, for one photo.
_MAX_BYTES = 2**31 - 1
_MAX_NODES = 100_000
_MAX_NUMBERS = 2**28
# From this opset on, BatchNormalization says whether it trains. onnx.reference takes an earlier one for one that does, and
# blends in the statistics of the batch (https://github.com/onnx/onnx/issues/5799).
_TELLING_OPSET, _CONVERTED_OPSET = 14, 17
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
    _refuse_large_tensors(path, model)
    model = _with_telling_batch_normalisation(path, model)
    last = _last_computation(model.graph)
    if last in ("Sigmoid", "HardSigmoid") and not answers:
        raise ModelFileError(
            f"{path} ends in {last}: each class is answered for itself. Only classifiers whose probabilities sum to one "
            "are served: export it with a softmax, or without the last activation"
        )
    found_answers = answers or ("probabilities" if last == "Softmax" else "logits")
    return OnnxFile(model, inputs[0].name, found_layout, found_crop, batch, found_answers)


def _parsed(path: Path) -> onnx.ModelProto:
    if path.stat().st_size > _MAX_BYTES:
        raise ModelFileError(f"{path} has more than {_MAX_BYTES} bytes, which no ONNX file has")
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
        _refuse_endless_functions(path, model)
        try:
            model = onnx.inliner.inline_local_functions(model)
        except (RuntimeError, ValueError) as error:
            raise ModelFileError(f"{path} has functions that cannot be resolved: {error}") from None
    names = {(node.domain, node.op_type) for node in _nodes(model.graph)}
    foreign = sorted(f"{domain}.{kind}" for domain, kind in names if domain not in _STANDARD_DOMAINS)
    if foreign:
        raise ModelFileError(f"{path} has operators that are not ONNX's own: {', '.join(foreign[:5])}")
    return model


def _refuse_endless_functions(path: Path, model: onnx.ModelProto) -> None:
    """Functions call functions: a few hundred bytes can stand for more nodes than there is memory."""
    functions = {(each.domain, each.name): each.node for each in model.functions}
    counts: dict[tuple[str, str], int] = {}

    def count(nodes: Iterable[onnx.NodeProto], callers: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for node in (inner for outer in nodes for inner in _with_inner(outer)):
            called = (node.domain, node.op_type)
            if called in callers:
                raise ModelFileError(f"{path} has a function that calls itself: {'.'.join(called)}")
            if called in functions and called not in counts:
                counts[called] = count(functions[called], (*callers, called))
            total += counts.get(called, 1)
        return total

    if count(model.graph.node, ()) > _MAX_NODES:
        raise ModelFileError(f"{path} has functions that stand for more than {_MAX_NODES} operators")


def _refuse_large_tensors(path: Path, model: onnx.ModelProto) -> None:
    """A few bytes can say that a tensor of any size is made."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = [
        (value.name, [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim])
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    ]
    shapes += [(each.values.name, list(each.dims)) for each in inferred.sparse_initializer]
    for name, shape in shapes:
        if math.prod(shape) > _MAX_NUMBERS:
            raise ModelFileError(f"{path} makes {name!r} of {'x'.join(map(str, shape))} numbers, more than {_MAX_NUMBERS}")


def _with_telling_batch_normalisation(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    opset = max(each.version for each in model.opset_import if each.domain in _STANDARD_DOMAINS)
    if opset >= _TELLING_OPSET or all(node.op_type != "BatchNormalization" for node in _nodes(model.graph)):
        return model
    try:
        return onnx.version_converter.convert_version(model, _CONVERTED_OPSET)
    except (onnx.version_converter.ConvertError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelFileError(
            f"{path} normalises batches by opset {opset}, and cannot be brought to opset {_CONVERTED_OPSET}: {reason}; export "
            "it with that one"
        ) from None


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
        yield from _with_inner(node)


def _with_inner(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """Yield a node and those of the graphs that it holds."""
    yield node
    for attribute in node.attribute:
        for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
            yield from _nodes(inner)


def _geometry(path: Path, sides: list[int | None], layout: Layout | None, crop: int | None) -> tuple[int | None, Layout, int]:
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
