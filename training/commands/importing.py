"""`python -m training import`."""

import logging
from pathlib import Path
from typing import Any

import click


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", required=True, help="Name of the model, such as pet-breeds.")
@click.option("--version", "model_version", required=True, help="Version of the bundle, such as 1.0.0.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="Text file of the classes, one a line, in the order of the model's outputs.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Photos for the golden set, to calibrate int8 with and to measure on; in folders named for their classes, accuracy is "
    "measured as well.",
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Directory to create.")
@click.option("--architecture", help="Of safetensors: torchvision/MODEL, such as torchvision/resnet18.")
@click.option("--mean", help="Per channel (red, green, blue) of pixels scaled to 0..1.  [default: ImageNet's]")
@click.option("--std", help="The same; a model that takes 0..255 has mean 0,0,0 and std 0.00392157 three times.")
@click.option("--channels", type=click.Choice(["rgb", "bgr"]), default="rgb", show_default=True, help="Order that ONNX takes.")
@click.option("--resize", type=click.IntRange(1, 4096), help="Pixels of the shorter side.  [default: crop x 256 / 224]")
@click.option("--crop", type=click.IntRange(1, 4096), help="Pixels of the square that the model sees.  [default: 224; ONNX's]")
@click.option("--interpolation", type=click.Choice(["bilinear", "bicubic"]), default="bilinear", show_default=True)
@click.option("--input-layout", type=click.Choice(["NCHW", "NHWC"]), help="Of ONNX, where the shape does not say it.")
@click.option("--answers", type=click.Choice(["logits", "probabilities"]), help="Of ONNX, where its end does not say it.")
@click.option("--min-agreement", type=click.FloatRange(0, 1), default=0.98, show_default=True, help="As for export.")
@click.option("--licence", default="NOASSERTION", show_default=True, help="SPDX identifier of the weights' licence.")
@click.option("--source", "source", help="Where the file comes from.")
def command(file: Path, *, output: Path, model_version: str, min_agreement: float, **options: Any) -> None:
    """Make a bundle of a model that was trained elsewhere, from FILE: ONNX, or safetensors of a torchvision model.

    Pickles (.pt, .pth) and Keras files (.h5) can run code when they are loaded: they are refused, with the way to convert them.

    Exit status: 0 done, 1 refused (the message says why), 2 wrong usage.
    """
    from training.export import ExportError, export
    from training.export.writer import check_target
    from training.importing.files import ModelFileError
    from training.importing.model import ImportOptions, imported

    logging.getLogger("torch").setLevel(logging.ERROR)

    def say(line: str) -> None:
        click.echo(line, err=True)

    try:
        check_target(model_version, output)
        model = imported(file, ImportOptions(**options), say)
        sealed = export(model, model_version, output, say, min_agreement=min_agreement).sealed
    except (ExportError, ModelFileError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    if "test_accuracy" not in sealed.manifest.metrics:
        say(
            "accuracy was not measured: an inventory with a floor refuses this bundle. Put the photos of --images into "
            "folders named for their classes to measure it"
        )
    click.echo(sealed.digest)
