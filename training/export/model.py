"""What can be exported: a network with all that a bundle has to say about it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from bundle.errors import BundleError
from bundle.manifest import FeatureInput, ImageInput, Lineage
from training.export import openvino_program, torch_program
from training.export.measure import Predict
from training.export.model_card import ModelCard
from training.export.programs import FP32_TOLERANCE, OPENVINO_FP32, TORCH_FP32, Say, Written, written_openvino
from training.export.samples import Samples

WEIGHTS_FILE = "model.safetensors"
EXPORTED_PROGRAM = "torch/model.pt2"


class ExportError(Exception):
    """The export cannot be done, or what it made is not good enough to publish."""


@dataclass(frozen=True, kw_only=True)
class Exportable(ABC):
    """What a bundle says about any model; the subclasses know how to run it.

    Attributes:
        mean, std: the normalisation (x - mean) / std: per channel of pixels scaled to 0..1, or per feature.
        weights_origin: the file that the weights were read from, for its sha256.
        training_digest: "sha256:..." of the data that the weights were trained on, where this project trained them.
        metrics: figures known beforehand; the export adds those that it measures.
        samples: real inputs. Without them a model of photos gets no int8 program, and its programs are compared on the
            golden inputs only; a model of features needs them for its golden set.
        golden_photos: RGB photos of the model's own kind, uint8 (height, width, 3), by name; they join the synthetic
            images of the golden set. None: the packaged photos do.
        lineage: of a model that this project trained.
    """

    name: str
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
    golden_photos: dict[str, NDArray[np.uint8]] | None = None
    training_digest: str | None = None
    lineage: Lineage | None = None

    @property
    @abstractmethod
    def standing_for_reference(self) -> str:
        """Name of the program that stands for the reference on the samples: the golden set shows that it is the same."""

    @abstractmethod
    def reference(self) -> Predict:
        """Return what the golden answers come from."""

    @abstractmethod
    def write(self, root: Path, say: Say) -> dict[str, Written]:
        """Write WEIGHTS_FILE and the fp32 programs, of which one is OPENVINO_FP32; return these by name."""


@dataclass(frozen=True, kw_only=True)
class ModelToExport(Exportable):
    """A torch network.

    Attributes:
        network: normalised float32 input, [batch, 3, crop, crop] or [batch, features], to logits [batch, len(classes)].
        temperature: the logits are divided by it, so that the confidence is the share of right answers (Guo et al., 2017).
    """

    network: torch.nn.Module
    temperature: float = 1.0
    # Made once: the reference and what is traced are the same.
    _served: list["ServedNetwork"] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def standing_for_reference(self) -> str:
        return TORCH_FP32

    def served(self) -> "ServedNetwork":
        """Return the network with normalisation, temperature and softmax.

        Raises:
            ExportError: mean, std or temperature are of no use.
        """
        if not self._served:
            self._served.append(ServedNetwork(self).eval().requires_grad_(False))
        return self._served[0]

    def reference(self) -> Predict:
        network = self.served()

        def predict(batch: NDArray[Any]) -> NDArray[np.float32]:
            with torch.inference_mode():
                return network(torch.from_numpy(batch)).numpy()

        return predict

    def write(self, root: Path, say: Say) -> dict[str, Written]:
        network = self.served()
        say("writing the weights as safetensors")
        # Copies: tied weights share memory, which the format refuses.
        save_file({name: value.clone().contiguous() for name, value in self.network.state_dict().items()}, root / WEIGHTS_FILE)
        say("tracing the network with torch.export")
        traced = torch_program.trace(network, torch.zeros(2, *self.input.shape, dtype=getattr(torch, self.input.dtype)))
        torch_program.save_program(traced, root / EXPORTED_PROGRAM)
        try:
            reference = torch_program.predictor(root / EXPORTED_PROGRAM)
        except BundleError as error:
            raise ExportError(f"hosts would refuse the torch program: {error}") from None
        say("converting to OpenVINO")
        converted = openvino_program.convert(traced, self.input.shape)
        fp32 = openvino_program.save(converted, self.name, root / "openvino" / "fp32.xml")
        return {
            OPENVINO_FP32: written_openvino(fp32, "fp32"),
            TORCH_FP32: Written({"backend": "torch", "precision": "fp32", "path": EXPORTED_PROGRAM}, FP32_TOLERANCE, reference),
        }


class ServedNetwork(torch.nn.Module):
    """The network as it is served: from uint8 pixels or raw features to probabilities.

    Normalisation, temperature and softmax are part of it, so that serving knows nothing about the model, and an engine can
    merge the normalisation into the first layer.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: ModelToExport) -> None:
        """Raises ExportError where mean or std do not fit the input, or the temperature is not above zero."""
        super().__init__()
        self.network = model.network
        self._is_image = isinstance(model.input, ImageInput)
        width = model.input.shape[-1]
        check_normalisation(model)
        if model.temperature <= 0:
            raise ExportError(f"the temperature is {model.temperature:g}; it has to be above zero")
        self._temperature = model.temperature
        shape = (1, width, 1, 1) if self._is_image else (1, width)
        scale = 255.0 if self._is_image else 1.0
        self.register_buffer("mean", (torch.tensor(model.mean, dtype=torch.float64) * scale).float().reshape(shape))
        self.register_buffer("std", (torch.tensor(model.std, dtype=torch.float64) * scale).float().reshape(shape))

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Answer uint8 [batch, height, width, 3] or float32 [batch, features] with float32 [batch, classes]."""
        if self._is_image:
            items = items.permute(0, 3, 1, 2).to(torch.float32)
        logits = self.network((items - self.mean) / self.std)
        return torch.softmax(logits if self._temperature == 1 else logits / self._temperature, dim=1)


def check_normalisation(model: Exportable) -> None:
    """Raises ExportError where mean or std do not fit the input."""
    width = model.input.shape[-1]
    if len(model.mean) != width or len(model.std) != width or min(model.std) <= 0:
        raise ExportError(f"mean and std need {width} values each, one for each channel or feature; std above zero")
