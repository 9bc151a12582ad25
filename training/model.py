"""What can be exported: a network with all that a bundle has to say about it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from bundle.manifest import FeatureInput, ImageInput
from training.model_card import ModelCard
from training.samples import Samples


class ExportError(Exception):
    """The export cannot be done, or what it made is not good enough to publish."""


@dataclass(frozen=True)
class ModelToExport:
    """A network with what a bundle has to say about it.

    Attributes:
        network: normalised float32 input, [batch, 3, crop, crop] or [batch, features], to logits [batch, len(classes)].
        mean, std: the normalisation (x - mean) / std: per channel of pixels scaled to 0..1, or per feature.
        weights_origin: the file that the weights were read from, for its sha256.
        training_digest: "sha256:..." of the data that the weights were trained on, where this project trained them.
        metrics: figures known beforehand; the export adds those that it measures.
        samples: real inputs. Without them a model of photos gets no int8 program, and its programs are compared on the
            golden inputs only; a model of features needs them for its golden set.
    """

    name: str
    network: torch.nn.Module
    classes: list[str]
    input: ImageInput | FeatureInput
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights_origin: Path
    source: str
    training_data: str
    licence: str
    metrics: dict[str, float]
    card: ModelCard
    samples: Samples | None = None
    training_digest: str | None = None


class ServedNetwork(torch.nn.Module):
    """The network as it is served: from uint8 pixels or raw features to probabilities.

    Normalisation and softmax are part of it, so that serving knows nothing about the model, and an engine can merge the
    normalisation into the first layer.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: ModelToExport) -> None:
        """Raises ExportError where mean or std do not fit the input."""
        super().__init__()
        self.network = model.network
        self._is_image = isinstance(model.input, ImageInput)
        width = model.input.shape[-1]
        if len(model.mean) != width or len(model.std) != width or min(model.std) <= 0:
            raise ExportError(f"mean and std need {width} values each, one for each channel or feature; std above zero")
        shape = (1, width, 1, 1) if self._is_image else (1, width)
        scale = 255.0 if self._is_image else 1.0
        self.register_buffer("mean", (torch.tensor(model.mean, dtype=torch.float64) * scale).float().reshape(shape))
        self.register_buffer("std", (torch.tensor(model.std, dtype=torch.float64) * scale).float().reshape(shape))

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Answer uint8 [batch, height, width, 3] or float32 [batch, features] with float32 [batch, classes]."""
        if self._is_image:
            items = items.permute(0, 3, 1, 2).to(torch.float32)
        return torch.softmax(self.network((items - self.mean) / self.std), dim=1)
