"""Weights of one of torchvision's classifiers, from safetensors."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from training.export.programs import Say
from training.importing.files import ModelFileError
from training.vision import models

PREFIX = "torchvision/"
_NAMED = 4
_COUNTER = ".num_batches_tracked"
_PREFIXES = ("module.", "_orig_mod.")


def network(path: Path, architecture: str, classes: int, say: Say) -> torch.nn.Module:
    """Return the network with the file's weights: normalised float32 [batch, 3, height, width] to logits.

    Args:
        architecture: "torchvision/<model>", such as "torchvision/resnet18".
        say: is told which prefix all names of the file had, if they had one.

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
    weights = _without_prefixes(weights, say)
    # Only shapes: nothing is computed for a model that the weights may not fit.
    with torch.device("meta"):
        model = models.get_model(name, weights=None, num_classes=classes)
    problem = _misfit(model.state_dict(), weights, classes)
    if problem:
        raise ModelFileError(f"{path} does not fit {architecture} with {classes} classes: {problem}")
    model = models.get_model(name, weights=None, num_classes=classes)
    model.load_state_dict(weights)
    return model.eval()


def _without_prefixes(weights: Mapping[str, torch.Tensor], say: Say) -> dict[str, torch.Tensor]:
    """Return the weights by the names that their network has: DataParallel and torch.compile put a prefix before each."""
    names, stripped = list(weights), ""
    while prefix := next((each for each in _PREFIXES if all(name.startswith(each) for name in names)), ""):
        names, stripped = [name.removeprefix(prefix) for name in names], stripped + prefix
    if stripped:
        say(f"all weights have names that begin with {stripped!r}, which DataParallel or torch.compile put there: taken off")
    return dict(zip(names, weights.values(), strict=True))


def _misfit(wanted: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor], classes: int) -> str:
    """Return what keeps the weights from being those of the model, or ""."""
    unknown = sorted(weights.keys() - wanted.keys())
    # Files that are older than batch normalisation's counters lack them: torch loads these files, and inference asks for none.
    missing = sorted(name for name in wanted.keys() - weights.keys() if not name.endswith(_COUNTER))
    if missing or unknown:
        parts = [f"it lacks {_named(missing)}"] if missing else []
        return "; ".join([*parts, *([f"it has {_named(unknown)}, which the model has not"] if unknown else [])])
    for name in [name for name in wanted if name in weights]:
        tensor, found = wanted[name], weights[name]
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
