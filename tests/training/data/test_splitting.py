"""The same content is always on the same side, and new items move no old ones."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.training.data.small import noise, project, write_photos
from training.config import Split
from training.data import Data, DataError, load_all, load_data
from training.data.items import Found, Rows
from training.data.splitting import divide

CONFIG = project({"source": "folder"})


def _sides(data: Data) -> dict[str, str]:
    sides = {"train": data.train, "validation": data.validation, "test": data.test}
    return {name: side for side, items in sides.items() for name in items.ids}


def _load(root: Path) -> Data:
    return load_data(CONFIG, override=str(root), cache=root.parent / "cache")


def _rows(count: int, classes: int = 2) -> Found:
    values = np.arange(count, dtype=np.float32)[:, None]
    labels = np.arange(count) % classes
    digests = [b"%d" % number for number in range(count)]
    ids = [f"row {number}" for number in range(count)]
    return Found(Rows(values, labels, ids), [f"class {label}" for label in range(classes)], digests, ["x"])


def test_a_copy_under_another_name_is_on_the_same_side(tmp_path: Path) -> None:
    """Also one that was saved anew, with other compression and a comment."""
    root = tmp_path / "photos"
    write_photos(root, {"cat": 24, "dog": 24})
    sides = _sides(_load(root))
    tag = PngInfo()
    tag.add_text("Comment", "saved again")
    for path in sorted(root.rglob("*.png")):
        with Image.open(path) as image:
            image.save(path.with_name(f"copy-{path.name}"), compress_level=1, pnginfo=tag)
    with_copies = _sides(_load(root))
    assert len(with_copies) == 2 * len(sides)
    for name, side in sides.items():
        label, _, file = name.partition("/")
        assert with_copies[name] == with_copies[f"{label}/copy-{file}"] == side


def test_new_items_and_classes_move_no_old_ones(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    write_photos(root, {"cat": 24, "dog": 24})
    before = _sides(_load(root))
    write_photos(root, {"ant": 24, "dog": 24}, first_seed=100)
    after = _sides(_load(root))
    assert len(after) == 96
    assert before.items() <= after.items()


def test_the_digest_is_of_content_and_class_alone(tmp_path: Path) -> None:
    write_photos(tmp_path / "a", {"cat": 24, "dog": 24})
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for path in (tmp_path / "b").rglob("*.png"):
        path.rename(path.with_name(f"x{path.name}"))
    digest = _load(tmp_path / "a").digest
    assert digest.startswith("sha256:")
    assert _load(tmp_path / "b").digest == digest
    moved = next((tmp_path / "b" / "cat").iterdir())
    moved.rename(tmp_path / "b" / "dog" / moved.name)
    assert _load(tmp_path / "b").digest != digest


def test_photos_of_the_same_bytes_and_another_shape_differ(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"cat": 24, "dog": 24})
    pixels = np.full((20, 30, 3), 7, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photos" / "cat" / "wide.png")
    before = _load(tmp_path / "photos").digest
    Image.fromarray(pixels.transpose(1, 0, 2)).save(tmp_path / "photos" / "cat" / "wide.png")
    assert _load(tmp_path / "photos").digest != before


def test_each_class_is_divided_in_about_the_shares() -> None:
    data = divide(_rows(30_000, classes=3), Split(validation=0.1, test=0.2), lambda _: None)
    for items, share in ((data.train, 0.7), (data.validation, 0.1), (data.test, 0.2)):
        # Five deviations of a binomial distribution of 10,000 items.
        assert np.abs(np.bincount(items.labels) / 10_000 - share).max() < 0.025


def test_another_seed_splits_otherwise_and_the_same_seed_the_same() -> None:
    sides = [_sides(divide(_rows(300), Split(seed=seed), lambda _: None)) for seed in (0, 0, 1)]
    assert sides[0] == sides[1] != sides[2]


def test_a_side_without_an_item_of_a_class_is_refused() -> None:
    with pytest.raises(DataError, match=r"nothing to .* with of class 0 \(2 items\).*split\.seed"):
        divide(_rows(4), Split(), lambda _: None)


def test_what_the_own_test_split_holds_is_not_trained_with() -> None:
    found = _rows(400)
    digests = list(found.digests)
    digests[0] = digests[399]
    own_test = np.arange(400) >= 300
    said: list[str] = []
    data = divide(Found(found.items, found.classes, digests, ["x"], own_test), Split(), said.append)
    assert data.test.ids == [f"row {number}" for number in range(300, 400)]
    assert "row 0" not in data.train.ids + data.validation.ids
    assert len(data.train) + len(data.validation) == 299
    assert said[0].startswith("1 items of the training part are in the test part as well")


def test_a_photo_of_two_classes_is_on_one_side(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"cat": 24, "dog": 24})
    for seed in range(500, 520):
        for label in ("cat", "dog"):
            Image.fromarray(noise(seed)).save(tmp_path / "photos" / label / f"both-{seed}.png")
    sides = _sides(_load(tmp_path / "photos"))
    assert all(sides[f"cat/both-{seed}.png"] == sides[f"dog/both-{seed}.png"] for seed in range(500, 520))


def test_another_test_set_is_read_whole(tmp_path: Path) -> None:
    """However few photos a class has."""
    write_photos(tmp_path / "photos", {"cat": 1, "dog": 2})
    items, classes, digest, features = load_all(CONFIG, str(tmp_path / "photos"), cache=tmp_path / "cache")
    assert items.ids == ["cat/0000.png", "dog/0001.png", "dog/0002.png"]
    assert (classes, items.labels.tolist(), features) == (["cat", "dog"], [0, 1, 1], [])
    write_photos(tmp_path / "photos", {"cat": 24, "dog": 24}, first_seed=100)
    _, _, all_digest, _ = load_all(CONFIG, str(tmp_path / "photos"), cache=tmp_path / "cache")
    assert all_digest == _load(tmp_path / "photos").digest != digest
