"""Order and augmentation depend on the seed, the epoch and the item, and on nothing else."""

import math
import multiprocessing
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tests.training.data.small import noise, project
from training.config import ImageConfig, ProjectConfig
from training.data.augmentation import Augmenter
from training.data.batches import Batch, Batches
from training.data.items import GreyPhotos, PhotoFiles, Rows

EVERYTHING = {"min_scale": 0.3, "flip": True, "policy": "trivial"}


def _config(workers: int = 0, **augmentation: Any) -> ProjectConfig:
    return project({"source": "folder"}, augmentation=augmentation, training={"workers": workers})


def _photos(count: int = 22) -> GreyPhotos:
    config = _config().input
    assert isinstance(config, ImageConfig)
    pixels = np.stack([noise(seed, 28, 28)[..., 0] for seed in range(count)])
    ids = [str(index) for index in range(count)]
    return GreyPhotos(pixels, np.arange(count), ids, config.preprocessing)


def _made(items: Any, config: ProjectConfig, **options: Any) -> list[Batch]:
    standard = {"batch_size": 8, "epoch": 3, "train": True, "seed": 5, "rank": 0, "world_size": 1}
    return list(Batches(items, config, **(standard | options)))


def _same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True)
    )


def test_an_epoch_has_every_item_once_in_batches_of_nearly_one_size() -> None:
    batches = Batches(_photos(17), _config(), batch_size=8, epoch=0, train=True, seed=0, rank=0, world_size=1)
    made = list(batches)
    assert [len(labels) for _, labels in made] == batches.sizes == [6, 6, 5]
    assert len(batches) == 3
    assert sorted(torch.cat([labels for _, labels in made]).tolist()) == list(range(17))
    inputs, labels = made[0]
    assert (inputs.dtype, tuple(inputs.shape), labels.dtype) == (torch.uint8, (6, 32, 32, 3), torch.int64)


def test_workers_make_the_same_batches() -> None:
    items = _photos()
    alone = _made(items, _config(**EVERYTHING))
    assert _same(alone, _made(items, _config(workers=2, **EVERYTHING)))
    assert _same(alone[1:], _made(items, _config(workers=2, **EVERYTHING), start_batch=1))


def test_signals_to_all_processes_leave_the_workers_at_work() -> None:
    """Ctrl-C and systemd signal workers as well; it is the training that decides when they end."""
    items, config = _photos(200), _config(workers=2)
    options = {"batch_size": 4, "epoch": 3, "train": True, "seed": 5, "rank": 0, "world_size": 1}
    made = []
    for inputs, labels in Batches(items, config, **options):
        made.append((inputs, labels))
        for worker in multiprocessing.active_children():
            assert worker.pid
            os.kill(worker.pid, signal.SIGTERM if len(made) % 2 else signal.SIGINT)
    assert _same(made, _made(items, config, batch_size=4))
    assert not multiprocessing.active_children()


def test_workers_can_be_spawned() -> None:
    """What a worker needs survives being pickled, and makes the same batches in a new process's place."""
    batches = Batches(_photos(), _config(**EVERYTHING), batch_size=8, epoch=0, train=True, seed=0, rank=0, world_size=1)
    assert _same(list(pickle.loads(pickle.dumps(batches))), list(batches))  # noqa: S301


@pytest.mark.parametrize("augmentation", [{}, {"flip": True}, EVERYTHING])
def test_an_epoch_can_be_resumed_at_any_batch(augmentation: dict[str, Any]) -> None:
    items, config = _photos(), _config(**augmentation)
    whole = _made(items, config)
    for start in range(len(whole) + 1):
        assert _same(whole[start:], _made(items, config, start_batch=start))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("world_size", [2, 3])
def test_the_parts_of_all_processes_are_the_batch_of_one(world_size: int, train: bool) -> None:
    items, config = _photos(), _config(**EVERYTHING)
    whole = _made(items, config, train=train)
    parts = [_made(items, config, train=train, rank=rank, world_size=world_size) for rank in range(world_size)]
    joined = [tuple(torch.cat(each) for each in zip(*batch, strict=True)) for batch in zip(*parts, strict=True)]
    assert _same(whole, joined)
    sizes = [len(labels) for part in parts for _, labels in part]
    assert max(sizes) - min(sizes) <= 1


def test_a_process_without_an_item_gets_an_empty_batch() -> None:
    parts = [_made(_photos(2), _config(**EVERYTHING), rank=rank, world_size=3) for rank in range(3)]
    assert [tuple(part[0][0].shape) for part in parts] == [(1, 32, 32, 3), (1, 32, 32, 3), (0, 32, 32, 3)]
    assert [len(part[0][1]) for part in parts] == [1, 1, 0]


def test_another_epoch_or_seed_is_another_order_and_augmentation() -> None:
    items, config = _photos(), _config(**EVERYTHING)
    first, others = _made(items, config), [_made(items, config, epoch=4), _made(items, config, seed=6)]
    for other in others:
        assert not torch.equal(torch.cat([labels for _, labels in first]), torch.cat([labels for _, labels in other]))
        assert not np.array_equal(_of_item(first, 0), _of_item(other, 0))


def _of_item(batches: list[Batch], label: int) -> NDArray[np.uint8]:
    return next(
        photo.numpy() for inputs, labels in batches for photo, each in zip(inputs, labels, strict=True) if each == label
    )


def test_a_photos_augmentation_does_not_depend_on_its_batch() -> None:
    items, config = _photos(), _config(**EVERYTHING)
    small, large = _made(items, config, batch_size=2), _made(items, config, batch_size=22)
    for label in range(22):
        np.testing.assert_array_equal(_of_item(small, label), _of_item(large, label))


def test_half_of_the_photos_are_mirrored_by_flip() -> None:
    items = _photos(200)
    mirrored = 0
    for inputs, labels in _made(items, _config(flip=True)):
        for photo, label in zip(inputs.numpy(), labels.tolist(), strict=True):
            plain = items.prepared(label)
            same, turned = np.array_equal(photo, plain), np.array_equal(photo, plain[:, ::-1])
            assert same != turned
            mirrored += turned
    assert 70 <= mirrored <= 130


@pytest.mark.parametrize("augmentation", [{"min_scale": 0.3}, {"policy": "trivial"}])
def test_each_augmentation_changes_most_photos(augmentation: dict[str, Any]) -> None:
    items = _photos(60)
    made = _made(items, _config(**augmentation))
    changed = sum(not np.array_equal(_of_item(made, label), items.prepared(label)) for label in range(60))
    assert changed >= 40


def test_validation_is_in_order_and_not_augmented() -> None:
    items = _photos()
    made = _made(items, _config(**EVERYTHING), train=False)
    assert torch.cat([labels for _, labels in made]).tolist() == list(range(22))
    np.testing.assert_array_equal(
        torch.cat([inputs for inputs, _ in made]).numpy(), np.stack([items.prepared(index) for index in range(22)])
    )


def test_large_jpegs_are_cropped_from_a_smaller_decoding(tmp_path: Path) -> None:
    config = _config(min_scale=0.3)
    assert isinstance(config.input, ImageConfig)
    path = tmp_path / "large.jpg"
    Image.fromarray(noise(1, 600, 800)).save(path, quality=95)
    files = PhotoFiles([path], [0], ["large.jpg"], config.input.preprocessing)
    whole, smaller = Image.fromarray(files.raw(0)), files.photo(0, 64)
    assert (whole.size, smaller.size) == ((800, 600), (100, 75))
    difference = np.asarray(whole.resize((32, 32))).astype(int) - np.asarray(smaller.resize((32, 32)))
    assert np.abs(difference).mean() < 2
    # The smallest crop, 0.3 of the area, still has more pixels than the network takes.
    assert Augmenter(files, config, seed=0, epoch=0).shorter_side * math.sqrt(0.3) > 32


def test_rows_come_as_they_are() -> None:
    values = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    items = Rows(values, np.arange(20), [str(index) for index in range(20)])
    config = project({"source": "csv", "label": "kind"}, training={"workers": 2})
    made = _made(items, config)
    for inputs, labels in made:
        np.testing.assert_array_equal(inputs.numpy(), values[labels.numpy()])
    assert made[0][0].dtype == torch.float32


@pytest.mark.parametrize("workers", [0, 2])
def test_the_generators_of_the_training_stay_as_they_are(workers: int) -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    before, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    _made(_photos(), _config(workers=workers, **EVERYTHING))
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == before_numpy).all()  # type: ignore[index]
