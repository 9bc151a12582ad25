"""The network being trained: one step, one judgement, and all of its state.

Everything random in a step is drawn from generators that are seeded with the training's seed, the epoch, the batch and the
process. So a resumed training draws what the uninterrupted one would have drawn, and checkpoints need no generators' state.
"""

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from training.config import ProjectConfig
from training.data import Items
from training.loop.checkpoints import Position, Tensors
from training.loop.errors import TrainingError
from training.loop.processes import Processes
from training.networks import Built

# Share of the steps in which the learning rate rises.
WARM_UP = 0.05


@dataclass(frozen=True)
class Tally:
    """Sums over items: of the loss (weighted by class), of the weights, and counts of right answers and of items."""

    loss: float = 0.0
    weight: float = 0.0
    right: float = 0.0
    items: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    @property
    def mean_loss(self) -> float:
        return self.loss / self.weight

    @property
    def accuracy(self) -> float:
        return self.right / self.items


def seed_everything(*numbers: int) -> None:
    """Seed the generators of Python, numpy and torch."""
    first, second = np.random.SeedSequence(numbers).generate_state(2, np.uint64)
    random.seed(int(first))
    np.random.seed(int(first) % 2**32)
    torch.manual_seed(int(second))


def learning_rate(step: int, start: int, total: int) -> float:
    """Return the share of the peak: nothing before `start`, then a linear rise, then half a cosine down to nothing."""
    done, steps = step - start, total - start
    if done < 0:
        return 0.0
    rise = max(1, round(WARM_UP * steps))
    if done < rise:
        return (done + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (done - rise) / max(1, steps - rise)))


def class_weights(items: Items, classes: int) -> torch.Tensor:
    """Return the weight of each class, float32 (classes,): the inverse of its share, so that an item's is 1 on average."""
    counts = np.bincount(items.labels, minlength=classes)
    return torch.tensor(len(items) / (classes * np.maximum(counts, 1)), dtype=torch.float32)


def standardisation(items: Items) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of each feature. A feature that is always the same is only shifted."""
    rows = np.stack([items.raw(index) for index in range(len(items))]).astype(np.float64)
    std = rows.std(axis=0)
    std[std == 0] = 1.0
    return tuple(rows.mean(axis=0).tolist()), tuple(std.tolist())


def autocast_type(amp: str, device: torch.device) -> torch.dtype | None:
    """Return the type of mixed precision, None for float32 throughout."""
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (7, 0)
        return torch.float16 if amp == "on" or (amp == "auto" and native) else None
    # AVX-512 has instructions for bfloat16, and AMX units for it; elsewhere it is slower than float32.
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if amp == "on" or (amp == "auto" and native) else None


class Learner:
    """A network and its optimiser.

    Args:
        weights: of the classes, float32 (classes,).
        steps: batches in an epoch.
    """

    def __init__(
        self,
        config: ProjectConfig,
        built: Built,
        normalisation: tuple[tuple[float, ...], tuple[float, ...]],
        *,
        weights: torch.Tensor,
        steps: int,
        processes: Processes,
    ) -> None:
        chosen = config.training
        device = processes.device
        self._chosen, self._processes, self._steps = chosen, processes, steps
        self._mixup = config.augmentation.mixup
        self._photos = config.input.kind == "image"
        self._memory = torch.channels_last if chosen.channels_last and self._photos else torch.contiguous_format
        self._backbone, self._head = built.backbone, built.head
        self._network = built.module.to(device)
        self._network.to(memory_format=self._memory)  # type: ignore[call-overload]
        shape = (1, -1, 1, 1) if self._photos else (1, -1)
        self._mean, self._std = (torch.tensor(each, device=device).reshape(shape) for each in normalisation)
        self._weights = weights.to(device)
        self._autocast = autocast_type(chosen.amp, device)
        self._scaler = torch.amp.GradScaler(device.type, enabled=self._autocast is torch.float16)
        self._optimiser = torch.optim.AdamW(list(self._groups()), weight_decay=chosen.weight_decay)
        self._frozen: bool | None = None
        self._parallel = self._network

    def learn(self, inputs: torch.Tensor, labels: torch.Tensor, position: Position, stop: bool) -> tuple[Tally, bool]:
        """Do one step with this process's part of a batch.

        Args:
            stop: whether this process was asked to stop.

        Returns:
            What all processes' parts come to, and whether any of them is to stop.

        Raises:
            TrainingError: the loss is no number.
        """
        self._set_phase(position.epoch <= self._chosen.frozen_epochs)
        self._set_learning_rates((position.epoch - 1) * self._steps + position.batch)
        seeds = (self._chosen.seed, position.epoch, position.batch)
        seed_everything(*seeds, self._processes.rank)
        inputs, labels = self._normalised(inputs), labels.to(self._processes.device)
        share, partners = 1.0, labels
        if self._mixup:
            share = float(np.random.default_rng(seeds).beta(self._mixup, self._mixup))
            inputs, partners = torch.lerp(inputs.flip(0), inputs, share), labels.flip(0)
        with self._mixed_precision():
            logits = self._parallel(inputs)
        smoothing = self._chosen.label_smoothing
        losses = self._losses(logits, labels, smoothing)
        weight = self._weights[labels].sum()
        if share < 1:
            losses = share * losses + (1 - share) * self._losses(logits, partners, smoothing)
            weight = share * weight + (1 - share) * self._weights[partners].sum()
        right = int((logits.argmax(dim=1) == labels).sum())
        own = [float(losses.detach().sum(dtype=torch.float64)), float(weight), float(right), float(len(labels))]
        *sums, stops = self._processes.total([*own, float(stop)])
        tally = Tally(*sums)
        if not math.isfinite(tally.loss):
            raise TrainingError(
                f"the loss is {tally.loss} at epoch {position.epoch}, step {position.batch + 1}: try a lower "
                "training.learning_rate, or training.amp off; the checkpoints before are kept"
            )
        self._optimiser.zero_grad()
        # DistributedDataParallel divides by the number of processes what each has of the whole batch's mean.
        self._scaler.scale(losses.sum() * (self._processes.size / tally.weight)).backward()
        self._scaler.step(self._optimiser)
        self._scaler.update()
        return tally, stops > 0

    def share_statistics(self) -> None:
        """Let every process have the first one's running statistics: they are the ones that are kept."""
        self._processes.share(list(self._network.buffers()))

    @torch.no_grad()
    def judge(self, inputs: torch.Tensor, labels: torch.Tensor, stop: bool) -> tuple[Tally, bool]:
        """Answer a batch in float32, as the service will. Returns what `learn` returns."""
        self._network.eval()
        labels = labels.to(self._processes.device)
        logits = self._network(self._normalised(inputs))
        loss = float(self._losses(logits, labels, 0.0).sum(dtype=torch.float64))
        right = float((logits.argmax(dim=1) == labels).sum())
        own = [loss, float(self._weights[labels].sum()), right, float(len(labels))]
        *sums, stops = self._processes.total([*own, float(stop)])
        return Tally(*sums), stops > 0

    @property
    def head_learning_rate(self) -> float:
        """Of the last step."""
        return float(self._optimiser.param_groups[-1]["lr"])

    def weights(self) -> Tensors:
        """Return a copy of the network's state."""
        return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in self._network.state_dict().items()}

    def state(self) -> tuple[dict[str, Any], Tensors]:
        """Return everything that the next step depends on: what is no tensor, and the tensors."""
        tensors = {f"network.{name}": value for name, value in self.weights().items()}
        for index, values in self._optimiser.state_dict()["state"].items():
            for name, value in values.items():
                tensors[f"optimiser.{index}.{name}"] = value.detach().to("cpu", copy=True).contiguous()
        return {"scaler": self._scaler.state_dict()}, tensors

    def restore(self, state: dict[str, Any], tensors: Tensors) -> None:
        """Take over what `state` returned.

        Raises:
            TrainingError: it is the state of another network.
        """
        own = {key.removeprefix("network."): value for key, value in tensors.items() if key.startswith("network.")}
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            kind, _, rest = key.partition(".")
            if kind == "optimiser":
                index, _, name = rest.partition(".")
                moments.setdefault(int(index), {})[name] = value
        try:
            self._network.load_state_dict(own)
            groups = self._optimiser.state_dict()["param_groups"]
            self._optimiser.load_state_dict({"state": moments, "param_groups": groups})
        except (RuntimeError, ValueError) as error:
            raise TrainingError(f"the checkpoint is of another network: {str(error).splitlines()[0]}") from None
        for parameter, values in self._optimiser.state.items():
            for name, value in values.items():
                # Back in the parameter's memory format: other strides could mean other kernels, and other last bits.
                if value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter, requires_grad=False).copy_(value)
        if state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])

    def _groups(self) -> Iterator[dict[str, Any]]:
        """Yield the optimiser's groups: backbone and head, each with and without decay (biases and norms have none)."""
        chosen = self._chosen
        slow = chosen.backbone_learning_rate or chosen.learning_rate / 10
        parts = ((self._backbone, slow, chosen.frozen_epochs * self._steps), (self._head, chosen.learning_rate, 0))
        for parameters, peak, start in parts:
            for dimensions, decay in (("many", chosen.weight_decay), ("one", 0.0)):
                own = [each for each in parameters if (each.dim() > 1) == (dimensions == "many")]
                if own:
                    yield {"params": own, "weight_decay": decay, "peak": peak, "start": start}

    def _set_learning_rates(self, step: int) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = group["peak"] * learning_rate(step, group["start"], self._chosen.epochs * self._steps)

    def _set_phase(self, frozen: bool) -> None:
        self._network.train()
        if frozen != self._frozen:
            for parameter in self._backbone:
                parameter.requires_grad_(not frozen)
            self._parallel = self._network  # the wrapper before takes its hooks with it
            self._parallel = self._processes.parallel(self._network)
            self._frozen = frozen
        if frozen:
            for layer in self._network.modules():
                # A frozen backbone answers as it was pretrained; its running statistics do not move either.
                if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                    layer.eval()

    def _normalised(self, inputs: torch.Tensor) -> torch.Tensor:
        """Turn uint8 (n, h, w, 3) or float32 (n, k) into what the network takes, as the served network does."""
        inputs = inputs.to(self._processes.device)
        if self._photos:
            inputs = inputs.permute(0, 3, 1, 2) / 255.0
        return ((inputs - self._mean) / self._std).contiguous(memory_format=self._memory)

    def _losses(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        return nn.functional.cross_entropy(logits.float(), labels, self._weights, reduction="none", label_smoothing=smoothing)

    @contextmanager
    def _mixed_precision(self) -> Iterator[None]:
        if self._autocast is None:
            yield
        else:
            with torch.autocast(self._processes.device.type, self._autocast):
                yield
