"""One step does what the configuration says."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.loop.projects import iris
from training.config import ImageConfig, ProjectConfig
from training.data.items import Rows
from training.loop.checkpoints import Position
from training.loop.errors import TrainingError
from training.loop.learner import Learner, autocast_type, class_weights, learning_rate, seed_everything, standardisation
from training.loop.processes import Processes
from training.networks import Built

ALONE = Processes(0, 1, torch.device("cpu"))
ROWS, LABELS = torch.randn(12, 4, generator=torch.Generator().manual_seed(3)), torch.arange(12) % 3


def _changed(config: ProjectConfig, **training: Any) -> ProjectConfig:
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def _rows_learner(weights: torch.Tensor | None = None, mixup: float = 0.0, **training: Any) -> tuple[Learner, nn.Sequential]:
    config = _changed(iris()[0], **training)
    config = config.model_copy(update={"augmentation": config.augmentation.model_copy(update={"mixup": mixup})})
    seed_everything(1)
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    head = list(module[-1].parameters())
    built = Built(module, None, None, head, [*module[0].parameters(), *module[1].parameters()], "", None)
    ones = torch.ones(3) if weights is None else weights
    scale = ((0.0,) * 4, (1.0,) * 4)
    return Learner(config, built, scale, weights=ones, steps=2, processes=ALONE), module


def test_the_head_is_trained_first_and_the_backbone_stays_as_it_is() -> None:
    learner, module = _rows_learner(frozen_epochs=1, epochs=2)
    before = learner.weights()
    learner.learn(ROWS, LABELS, Position(1, 0), False)
    learner.learn(ROWS, LABELS, Position(1, 1), False)
    frozen = learner.weights()
    changed = {name for name in before if not before[name].equal(frozen[name])}
    assert changed == {"3.weight", "3.bias"}, "neither weights nor running statistics of the backbone"

    learner.learn(ROWS, LABELS, Position(2, 0), False)
    thawed = learner.weights()
    assert all(not frozen[name].equal(thawed[name]) for name in ("0.weight", "1.running_mean", "3.weight"))
    assert module.training


def test_backbone_and_head_have_rates_of_their_own_and_biases_no_decay() -> None:
    learner, _ = _rows_learner(learning_rate=0.1, backbone_learning_rate=None, weight_decay=0.3, frozen_epochs=0, epochs=9)
    learner.learn(ROWS, LABELS, Position(1, 1), False)
    groups = [(round(group["lr"], 9), group["weight_decay"]) for group in learner._optimiser.param_groups]
    assert groups == [(0.01, 0.3), (0.01, 0.0), (0.1, 0.3), (0.1, 0.0)]


def test_the_rate_rises_in_a_line_and_falls_as_a_cosine() -> None:
    rates = [learning_rate(step, 100, 300) for step in range(300)]
    assert set(rates[:100]) == {0.0}
    assert rates[100:110] == pytest.approx([0.1 * number for number in range(1, 11)])
    assert rates[110] == 1.0
    assert rates[205] == pytest.approx(0.5)
    assert 0 < rates[299] < 1e-3
    assert [learning_rate(0, 0, 1), learning_rate(0, 0, 2), learning_rate(1, 0, 2)] == [1.0, 1.0, 1.0]


def test_the_loss_is_the_weighted_mean_of_torch() -> None:
    weights = torch.tensor([0.5, 1.0, 4.0])
    learner, module = _rows_learner(weights, label_smoothing=0.0)
    expected = nn.functional.cross_entropy(module.train()(ROWS), LABELS, weights)
    tally, _ = learner.learn(ROWS, LABELS, Position(1, 0), False)
    assert tally.mean_loss == pytest.approx(expected.item(), rel=1e-5)
    assert tally.items == 12


def test_mixup_teaches_both_labels_in_their_shares() -> None:
    learner, module = _rows_learner(mixup=0.5, label_smoothing=0.0)
    share = float(np.random.default_rng((learner._chosen.seed, 1, 0)).beta(0.5, 0.5))
    logits = module.train()(share * ROWS + (1 - share) * ROWS.flip(0))
    parts = [nn.functional.cross_entropy(logits, labels).item() for labels in (LABELS, LABELS.flip(0))]
    tally, _ = learner.learn(ROWS, LABELS, Position(1, 0), False)
    assert tally.mean_loss == pytest.approx(share * parts[0] + (1 - share) * parts[1], rel=1e-4)


def test_a_loss_that_is_no_number_is_named() -> None:
    learner, _ = _rows_learner()
    rows = ROWS.clone()
    rows[3, 1] = math.inf
    with pytest.raises(TrainingError, match=r"the loss is nan at epoch 2, step 6: try a lower training.learning_rate"):
        learner.learn(rows, LABELS, Position(2, 5), False)


@pytest.mark.parametrize(("amp", "expected"), [("off", torch.float32), ("on", torch.bfloat16)])
def test_mixed_precision(amp: str, expected: torch.dtype) -> None:
    learner, module = _rows_learner(amp=amp)
    seen: list[torch.dtype] = []
    module[0].register_forward_hook(lambda _layer, _inputs, output: seen.append(output.dtype))
    tally, _ = learner.learn(ROWS, LABELS, Position(1, 0), False)
    learner.judge(ROWS, LABELS, False)
    assert seen == [expected, torch.float32], "judged as it is served"
    assert math.isfinite(tally.loss)


def test_automatic_mixed_precision_asks_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    assert autocast_type("auto", torch.device("cpu")) is None
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert autocast_type("auto", torch.device("cpu")) is torch.bfloat16


def test_rare_classes_weigh_more() -> None:
    items = Rows(np.zeros((6, 1), np.float32), np.array([0, 0, 0, 0, 1, 1]), [""] * 6)
    assert class_weights(items, 2).tolist() == [0.75, 1.5]


def test_rows_are_standardised_with_what_they_are_trained_with() -> None:
    values = np.array([[1, 5], [3, 5]], np.float32)
    assert standardisation(Rows(values, np.array([0, 1]), ["", ""])) == ((2.0, 5.0), (1.0, 1.0))


@pytest.mark.parametrize("channels_last", [True, False])
def test_photos_are_normalised_as_the_served_network_does(tmp_path: Path, channels_last: bool) -> None:
    config, _ = iris(training__channels_last=channels_last)
    photos = ImageConfig.model_validate(
        {"kind": "image", "preprocessing": {"resize_shorter_side": 8, "interpolation": "bilinear", "crop": 8}}
    )
    config = config.model_copy(update={"input": photos})
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 3))
    built = Built(module, None, None, list(module[2].parameters()), list(module[0].parameters()), "", None)
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    learner = Learner(config, built, (mean, std), weights=torch.ones(3), steps=1, processes=ALONE)
    seen: list[torch.Tensor] = []
    module[0].register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0]))
    pixels = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    learner.judge(pixels, torch.tensor([0, 1]), False)
    expected = (pixels.numpy() / 255 - np.array(mean)) / np.array(std)
    assert np.allclose(seen[0].permute(0, 2, 3, 1).numpy(), expected, atol=1e-6)
    assert seen[0].is_contiguous(memory_format=torch.channels_last) is channels_last


def test_state_comes_back_bit_for_bit() -> None:
    learner, _ = _rows_learner(epochs=4)
    other, _ = _rows_learner(epochs=4)
    for batch in range(2):
        learner.learn(ROWS, LABELS, Position(1, batch), False)
    other.restore(*learner.state())
    for each in (learner, other):
        each.learn(ROWS, LABELS, Position(2, 0), False)
    assert all(value.equal(other.weights()[name]) for name, value in learner.weights().items())


def test_state_of_another_network_is_refused() -> None:
    learner, _ = _rows_learner()
    state, tensors = learner.state()
    with pytest.raises(TrainingError, match="the checkpoint is of another network"):
        learner.restore(state, {name: value for name, value in tensors.items() if name != "network.0.weight"})
