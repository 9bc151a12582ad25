"""A folder of photos is read as the service would read them; what cannot be used is named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle.images import Limits, read_pixels
from bundle.preprocessing import prepare
from tests.image_builders import encoded, exif, picture
from tests.training.data.small import noise, project, write_photos
from training.config import ImageConfig
from training.data import Data, DataError, Items, load_data, photos
from training.data.batches import Batches

CONFIG = project({"source": "folder"})
assert isinstance(CONFIG.input, ImageConfig)
PREPROCESSING = CONFIG.input.preprocessing


def _load(root: Path, said: list[str] | None = None) -> Data:
    cache = root.parent / "cache"
    return load_data(CONFIG, override=str(root), cache=cache, say=(said if said is not None else []).append)


def _all(data: Data) -> dict[str, str]:
    return {
        name: data.classes[label]
        for items in (data.train, data.validation, data.test)
        for name, label in zip(items.ids, items.labels, strict=True)
    }


def test_photos_get_the_class_of_their_folder(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"dog": 20, "cat": 20})
    (tmp_path / "photos" / "dog" / "puppies").mkdir()
    for name, kind in (("a.JPG", "JPEG"), ("b.webp", "WEBP")):
        (tmp_path / "photos" / "dog" / "puppies" / name).write_bytes(encoded(picture(), kind, quality=95))
    said: list[str] = []
    data = _load(tmp_path / "photos", said)
    assert data.classes == ["cat", "dog"]
    classes = _all(data)
    assert len(classes) == len(data.train) + len(data.validation) + len(data.test) == 42
    assert all(name.startswith(f"{label}/") for name, label in classes.items())
    assert "dog/puppies/a.JPG" in classes
    assert "42 items of 2 classes" in said[-1]
    assert f"{len(data.test)} to test with" in said[-1]


def test_other_files_are_passed_over_and_counted(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"dog": 20, "cat": 20})
    (tmp_path / "photos" / ".git").mkdir()
    (tmp_path / "photos" / "dog" / "._0001.png").write_bytes(b"resource fork")
    (tmp_path / "photos" / "dog" / "notes.txt").write_text("notes")
    said: list[str] = []
    data = _load(tmp_path / "photos", said)
    assert len(_all(data)) == 40
    assert "1 files are no JPEG, PNG or WebP" in said[0]


def _find(data: Data, name: str) -> tuple[Items, int]:
    return next(
        (items, index)
        for items in (data.train, data.validation, data.test)
        for index, each in enumerate(items.ids)
        if each == name
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pixels_are_those_of_serving(tmp_path: Path, kind: str) -> None:
    """Validation, and training with everything off, see to the bit what the server makes of the same file."""
    write_photos(tmp_path / "photos", {"dog": 20, "cat": 20})
    # Upright, it is another picture; and large enough for a JPEG to be decoded at a fraction of its size.
    content = encoded(picture(400, 300), kind, exif=b"Exif\0\0" + exif(6))
    (tmp_path / "photos" / "cat" / f"turned.{kind}").write_bytes(content)
    items, index = _find(_load(tmp_path / "photos"), f"cat/turned.{kind}")
    served = read_pixels(content, PREPROCESSING, Limits())
    np.testing.assert_array_equal(items.prepared(index), served)
    for train in (False, True):
        batches = Batches(items, CONFIG, batch_size=4, epoch=0, train=train, seed=0, rank=0, world_size=1)
        assert any(np.array_equal(photo, served) for inputs, _ in batches for photo in inputs.numpy())


def test_raw_photos_are_upright_and_whole(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"dog": 20, "cat": 20})
    content = encoded(picture(90, 60), "PNG", exif=exif(6))
    (tmp_path / "photos" / "cat" / "turned.png").write_bytes(content)
    deep = np.arange(50 * 60, dtype=np.uint16).reshape(50, 60) * 20
    Image.fromarray(deep).save(tmp_path / "photos" / "dog" / "deep.png")
    data = _load(tmp_path / "photos")
    items, index = _find(data, "cat/turned.png")
    np.testing.assert_array_equal(items.raw(index), np.rot90(np.asarray(picture(90, 60)), -1))
    items, index = _find(data, "dog/deep.png")
    np.testing.assert_array_equal(items.raw(index), np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, axis=2))
    for items in (data.train, data.validation, data.test):
        for index in range(len(items)):
            image = Image.fromarray(items.raw(index))
            np.testing.assert_array_equal(prepare(image, PREPROCESSING), items.prepared(index))


def test_a_damaged_photo_among_few_is_named(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"dog": 20, "cat": 20})
    broken = tmp_path / "photos" / "dog" / "broken.jpg"
    broken.write_bytes(encoded(picture(), "JPEG")[:200])
    with pytest.raises(DataError, match=r"1 of 41 photos cannot be used: .*broken\.jpg"):
        _load(tmp_path / "photos")


def test_a_damaged_photo_among_many_is_left_out_with_a_warning(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"dog": 70, "cat": 70})
    (tmp_path / "photos" / "dog" / "broken.jpg").write_bytes(b"<html>404</html>")
    said: list[str] = []
    data = _load(tmp_path / "photos", said)
    assert "dog/broken.jpg" not in _all(data)
    assert len(_all(data)) == 140
    assert "1 photos cannot be used and are left out" in said[0]
    assert "broken.jpg" in said[0]


def test_the_second_reading_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path / "photos", {"dog": 20, "cat": 20})
    before = _load(tmp_path / "photos")
    decoded: list[Path] = []
    read = photos.read_upright
    monkeypatch.setattr(photos, "read_upright", lambda path: decoded.append(path) or read(path))
    again = _load(tmp_path / "photos")
    assert decoded == []
    assert (again.digest, again.train.ids) == (before.digest, before.train.ids)
    changed = tmp_path / "photos" / "dog" / "0000.png"
    Image.fromarray(noise(999)).save(changed)
    assert _load(tmp_path / "photos").digest != before.digest
    assert decoded == [changed]


def test_a_damaged_record_of_digests_is_made_again(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"dog": 20, "cat": 20})
    before = _load(tmp_path / "photos")
    (record,) = (tmp_path / "cache").iterdir()
    for content in ("[]", '{"cut', ""):
        record.write_text(content)
        assert _load(tmp_path / "photos").digest == before.digest


@pytest.mark.parametrize(
    ("folders", "problem"),
    [
        ({}, "is no folder"),
        ({"cat": 3}, "at least two"),
        ({"cat": 3, "dog": 0}, "dog holds no JPEG, PNG or WebP"),
    ],
)
def test_folders_without_classes_or_photos_are_refused(tmp_path: Path, folders: dict[str, int], problem: str) -> None:
    write_photos(tmp_path / "photos", folders)
    with pytest.raises(DataError, match=problem):
        _load(tmp_path / "photos")


def test_no_folder_at_all_is_refused() -> None:
    with pytest.raises(DataError, match="name a folder of photos with --data"):
        load_data(CONFIG)
