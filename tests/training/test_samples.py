"""Samples are read as the service reads photos, and no photo both calibrates and measures."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle.images import Limits, read_pixels
from bundle.preprocessing import Preprocessing
from tests.bundles import CAT
from training.data.listing import photos_below
from training.export.samples import Samples
from training.importing.photos import SampleError, read_photos

PREPROCESSING = Preprocessing(resize_shorter_side=36, interpolation="bicubic", crop=32)


def _photos(directory: Path, count: int) -> list[Path]:
    """Cut different pieces out of the cat."""
    photo = Image.open(CAT).convert("RGB")
    for index in range(count):
        photo.crop((index, index, index + 200, index + 150)).save(directory / f"{index}.png")
    return photos_below(directory).photos


def test_pixels_are_those_that_the_service_makes(tmp_path: Path) -> None:
    paths = [*_photos(tmp_path, 20), CAT]
    samples = Samples.from_images(paths, PREPROCESSING)
    known = {item.tobytes() for item in (*samples.calibration, *samples.evaluation)}
    assert known == {read_pixels(path.read_bytes(), PREPROCESSING, Limits()).tobytes() for path in paths}
    assert samples.calibration.dtype == np.uint8
    assert samples.evaluation.shape[1:] == (32, 32, 3)


def test_a_copy_of_a_photo_counts_once(tmp_path: Path) -> None:
    paths = _photos(tmp_path, 20)
    (tmp_path / "copy.png").write_bytes(paths[3].read_bytes())
    samples = Samples.from_images(photos_below(tmp_path).photos, PREPROCESSING)
    items = [item.tobytes() for item in (*samples.calibration, *samples.evaluation)]
    assert len(items) == len(set(items)) == 20


def test_the_split_does_not_depend_on_the_order(tmp_path: Path) -> None:
    paths = _photos(tmp_path, 20)
    forth, back = (Samples.from_images(order, PREPROCESSING) for order in (paths, paths[::-1]))
    assert np.array_equal(forth.calibration, back.calibration)
    assert np.array_equal(forth.evaluation, back.evaluation)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ValueError, match=r"broken\.jpg"):
        Samples.from_images(photos_below(tmp_path).photos, PREPROCESSING)


def test_one_photo_is_too_few() -> None:
    with pytest.raises(ValueError, match="too few"):
        Samples.from_images([CAT], PREPROCESSING)


def test_photos_from_a_mac_come_without_what_it_lays_beside_them(tmp_path: Path) -> None:
    # Accents are apart from their letters there, which looks the same.
    folders = [tmp_path / unicodedata.normalize("NFD", name) for name in ("Kätzchen", "Hund")]
    for folder in folders:
        folder.mkdir()
        for path in _photos(folder, 12):
            path.rename(path.with_name(f"{folder.name[0]}{path.stem}.png"))
        (folder / "._0.png").write_bytes(b"resource fork")
    Image.open(CAT).convert("RGB").save(folders[0] / "saved.jfif", "JPEG")
    for name in (".ipynb_checkpoints/0.png", "__MACOSX/._0.png", "Thumbs.db", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no photo")
    said: list[str] = []
    samples = read_photos(tmp_path, ["Hund", "Kätzchen"], PREPROCESSING, said.append).samples
    assert samples.labels is not None
    found = {(path.parent.name[0], label) for path, label in zip(samples.evaluation_files, samples.labels, strict=True)}
    assert found == {("H", 0), ("K", 1)}
    assert any(path.suffix == ".jfif" for path in photos_below(tmp_path).photos)
    assert said == ["1 files are no JPEG, PNG or WebP by their names: left out (notes.txt)"]
    folders[1].rename(tmp_path / "Biene")
    with pytest.raises(SampleError, match="Biene is no class"):
        read_photos(tmp_path, ["Hund", "Kätzchen"], PREPROCESSING, said.append)
