"""A model from elsewhere, as something to export."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bundle.manifest import ImageInput, ModelName
from bundle.preprocessing import Preprocessing
from training.export.model import Exportable, ModelToExport
from training.export.model_card import ModelCard
from training.export.programs import Say
from training.importing import torchvision_model
from training.importing.files import ModelFileError, kind_of
from training.importing.onnx_file import Answers, Layout, OnnxFile, read_onnx
from training.importing.onnx_model import OnnxToExport
from training.importing.photos import read_labels, read_photos

# What torchvision's weights were trained with.
_CROP = 224
_RESIZE_SHARE = 256 / 224
_MEAN = "0.485,0.456,0.406"
_STD = "0.229,0.224,0.225"


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What a person says about a model; see the command for each."""

    name: str
    labels: Path
    images: Path
    architecture: str | None = None
    mean: str | None = None
    std: str | None = None
    channels: str = "rgb"
    resize: int | None = None
    crop: int | None = None
    interpolation: str = "bilinear"
    input_layout: Layout | None = None
    answers: Answers | None = None
    licence: str = "NOASSERTION"
    source: str | None = None


def imported(file: Path, options: ImportOptions, say: Say) -> Exportable:
    """Read a file, its labels and its sample photos.

    Raises:
        ModelFileError: the file is refused, or an option does not go with it.
        ValueError: labels, photos or an option are of no use.
    """
    kind = kind_of(file)
    try:
        TypeAdapter(ModelName).validate_python(options.name)
    except ValidationError:
        raise ValueError(f"{options.name!r} is no name of a model: lower-case letters and digits, joined by '-'") from None
    labels = read_labels(options.labels, say)
    if kind == "onnx":
        return _onnx(file, options, labels, say)
    if options.input_layout or options.answers or options.channels != "rgb":
        raise ModelFileError("--input-layout, --answers and --channels are for ONNX; torchvision's models are known")
    if not options.architecture:
        raise ModelFileError(
            f"{file} holds weights without a network: say which it is with --architecture, such as torchvision/resnet18"
        )
    network = torchvision_model.network(file, options.architecture, len(labels), say)
    details = f"{options.architecture} with the weights of a safetensors file"
    return ModelToExport(
        network=network, **_described(file, options, labels, crop=options.crop or _CROP, details=details, say=say)
    )


def _onnx(file: Path, options: ImportOptions, labels: list[str], say: Say) -> OnnxToExport:
    if options.architecture:
        raise ModelFileError("--architecture is for safetensors; an ONNX file holds its network")
    read = read_onnx(file, options.input_layout, options.crop, options.answers)
    return OnnxToExport(
        file=read,
        reverse_channels=options.channels == "bgr",
        answers_are_stated=options.answers is not None,
        **_described(file, options, labels, crop=read.crop, details=_details(read), say=say),
    )


def _described(file: Path, options: ImportOptions, labels: list[str], *, crop: int, details: str, say: Say) -> dict[str, Any]:
    resize = options.resize or round(crop * _RESIZE_SHARE)
    preprocessing = Preprocessing.model_validate(
        {"resize_shorter_side": resize, "interpolation": options.interpolation, "crop": crop}
    )
    brought = read_photos(options.images, labels, preprocessing, say)
    labelled = brought.samples.labels is not None
    say(f"{len(brought.samples.calibration)} photos to calibrate int8 with, {len(brought.samples.evaluation)} to measure on")
    source = options.source or f"imported from {file.name}"
    return {
        "name": options.name,
        "classes": labels,
        "input": ImageInput(kind="image", preprocessing=preprocessing),
        "mean": _numbers("--mean", options.mean or _MEAN),
        "std": _numbers("--std", options.std or _STD),
        "weights_origin": file,
        "source": source,
        "training_data": "not known: the model was trained elsewhere",
        "licence": options.licence,
        "metrics": {},
        "samples": brought.samples,
        "golden_photos": brought.golden,
        "card": ModelCard(
            title=options.name,
            details=f"A classifier of photos that was trained elsewhere: {details}, {crop}x{crop} pixels.",
            intended_use=f"What its makers say: {source}.",
            out_of_scope="photos of a kind that it was not trained with.",
            factors="Not known here; its makers may have published them.",
            evaluation=(
                f"Agreement{' and accuracy' if labelled else ''} of the programs on {len(brought.samples.evaluation)} of the "
                "sample photos that came with the import; they calibrated nothing. Whether the model was trained with them is "
                f"not known.{'' if labelled else ' The photos have no labels: accuracy was not measured.'}"
            ),
            limits="The probabilities are not calibrated here, and they always sum to one: a picture of anything gets a class.",
        ),
    }


def _details(file: OnnxFile) -> str:
    opset = max(each.version for each in file.model.opset_import if each.domain in ("", "ai.onnx"))
    producer = " ".join(filter(None, (file.model.producer_name, file.model.producer_version)))
    made = f", made by {producer}" if producer else ""
    return f"ONNX (opset {opset}{made}), input {file.layout}, answering {file.answers}"


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 3:
        raise ValueError(f"{option} takes three numbers, such as {_MEAN}; it is {text!r}")
    return numbers
