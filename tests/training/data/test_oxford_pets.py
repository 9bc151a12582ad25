"""Oxford-IIIT Pet in torchvision's layout."""

from pathlib import Path

import pytest
from PIL import Image

from tests.image_builders import encoded
from tests.training.data.small import noise, project
from training.data import DataError, load_data

BREEDS = ("Abyssinian", "american_bulldog", "Siamese")
CONFIG = project({"source": "oxford-pets", "download": True})


def _write(root: Path) -> None:
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    for part, first in (("trainval", 1), ("test", 25)):
        lines = []
        for label, breed in enumerate(BREEDS, 1):
            for number in range(first, first + 24):
                name = f"{breed}_{number}"
                lines.append(f"{name} {label} 1 1\n")
                photo = encoded(Image.fromarray(noise(100 * label + number)), "JPEG")
                (root / "images" / f"{name}.jpg").write_bytes(photo)
        (root / "annotations" / f"{part}.txt").write_text("".join(lines))


@pytest.mark.parametrize("name", ["pets", "oxford-iiit-pet"])
def test_its_lists_say_breeds_and_test_photos(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    _write(root)
    data = load_data(CONFIG, override=str(root), cache=tmp_path / "cache")
    assert data.classes == ["Abyssinian", "American Bulldog", "Siamese"]
    assert len(data.train) + len(data.validation) == len(data.test) == 72
    for items in (data.train, data.validation, data.test):
        for photo, label in zip(items.ids, items.labels, strict=True):
            breed, _, number = photo.removesuffix(".jpg").rpartition("_")
            assert breed == BREEDS[label]
            assert (int(number) >= 25) == (items is data.test)
    assert data.train.prepared(0).shape == (32, 32, 3)


def test_it_is_never_downloaded_into_a_directory_that_was_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not hold Oxford-IIIT Pet"):
        load_data(CONFIG, override=str(tmp_path / "absent"), cache=tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_photo_is_named(tmp_path: Path) -> None:
    _write(tmp_path / "pets")
    (tmp_path / "pets" / "images" / "Siamese_3.jpg").unlink()
    (tmp_path / "pets" / "images" / "Siamese_4.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 144 .*Siamese_3\.jpg: No such file.*Siamese_4\.jpg"):
        load_data(CONFIG, override=str(tmp_path / "pets"), cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("lines", "problem"), [("Abyssinian_1 1 1 1\n", "the same breeds"), ("Abyssinian_1 1\n", "does not hold Oxford-IIIT Pet")]
)
def test_damaged_lists_are_refused(tmp_path: Path, lines: str, problem: str) -> None:
    _write(tmp_path / "pets")
    (tmp_path / "pets" / "annotations" / "test.txt").write_text(lines)
    with pytest.raises(DataError, match=problem):
        load_data(CONFIG, override=str(tmp_path / "pets"), cache=tmp_path / "cache")
