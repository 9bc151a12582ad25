"""Weights of one of torchvision's classifiers, from safetensors."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from training.importing.files import ModelFileError
from training.vision import models

PREFIX = "torchvision/"
_NAMED = 4


def network(path: Path, architecture: str, classes: int) -> torch.nn.Module:
    """Return the network with the file's weights: normalised float32 [batch, 3, height, width] to logits.

    Args:
        architecture: "torchvision/<model>", such as "torchvision/resnet18".

    Raises:
        ModelFileError: there is no such model, or the weights are not its weights.
    """
    name = architecture.removeprefix(PREFIX)
    if architecture == name or name not in models.list_models(module=models):
        raise ModelFileError(
            f"{architecture!r} is none of torchvision's classifiers; they are named as in torchvision/resnet18"
        )
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise ModelFileError(f"{path} is damaged: {error}") from None
    # Only shapes: nothing is computed for a model that the weights may not fit.
    with torch.device("meta"):
        model = models.get_model(name, weights=None, num_classes=classes)
    problem = _misfit(model.state_dict(), weights, classes)
    if problem:
        raise ModelFileError(f"{path} does not fit {architecture} with {classes} classes: {problem}")
    model = models.get_model(name, weights=None, num_classes=classes)
    model.load_state_dict(weights)
    return model.eval()


def _misfit(wanted: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor], classes: int) -> str:
    """Return what keeps the weights from being those of the model, or ""."""
    missing, unknown = sorted(wanted.keys() - weights.keys()), sorted(weights.keys() - wanted.keys())
    if missing or unknown:
        parts = [f"it lacks {_named(missing)}"] if missing else []
        return "; ".join([*parts, *([f"it has {_named(unknown)}, which the model has not"] if unknown else [])])
    for name, tensor in wanted.items():
        found = weights[name]
        if found.shape != tensor.shape:
            labels = f": the labels have to be {len(found)} in number" if len(tensor) == classes else ""
            return f"{name} is {_shape(found)} in the file and {_shape(tensor)} in the model{labels}"
        if found.is_floating_point() and not bool(torch.isfinite(found).all()):
            return f"{name} holds numbers that are not finite"
    return ""


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"
