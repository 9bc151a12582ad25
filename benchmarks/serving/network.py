"""ResNet-50 with 1000 classes: the eager network, its weights, and the bundle made from it.

The weights are seeded random numbers: what is measured is speed, which does not depend on them. Agreement of int8 with
fp32 means nothing for such weights, so the bundle is exported without a bound on it; real bundles have one.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import ResNetConfig, ResNetForImageClassification

CLASSES = 1000
SEED = 50


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


def write_weights(path: Path) -> None:
    """Write the seeded weights as safetensors."""
    torch.manual_seed(SEED)
    save_file({name: value.contiguous() for name, value in Logits().state_dict().items()}, path)
