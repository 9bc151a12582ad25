"""ResNet-50 with 1000 classes, as a service of eager torch opens it."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import ResNetConfig, ResNetForImageClassification

CLASSES = 1000


class Logits(torch.nn.Module):
    """transformers' network, answering a tensor: float32 [batch, 3, 224, 224] to logits [batch, 1000]."""

    def __init__(self) -> None:
        super().__init__()
        self.network = ResNetForImageClassification(ResNetConfig(num_labels=CLASSES))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(pixels).logits
        return logits


def eager_network(weights: Path) -> Any:
    """Return the network with the weights of a safetensors file, ready to infer."""
    network = Logits()
    network.load_state_dict(load_file(weights))
    return network.eval().requires_grad_(False)
