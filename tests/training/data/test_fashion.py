"""Fashion-MNIST as Debian packages it."""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle.images import Limits, read_pixels
from tests.training.data.small import project
from training.config import FashionData, ImageConfig
from training.data import DataError, load_data

CONFIG = project({"source": "fashion-mnist"}, split={"validation": 0.2})
COUNTS = {"train": 400, "t10k": 100}


def _write(root: Path) -> None:
    generator = np.random.default_rng(0)
    for part, count in COUNTS.items():
        pixels = generator.integers(0, 256, (count, 28, 28), np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        header = struct.pack(">IIII", 0x803, count, 28, 28)
        (root / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + pixels.tobytes()))
        header = struct.pack(">II", 0x801, count)
        (root / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + labels.tobytes()))


def test_debians_files_are_read() -> None:
    assert isinstance(CONFIG.data, FashionData)
    said: list[str] = []
    data = load_data(CONFIG, say=said.append)
    assert (len(data.classes), data.classes[9]) == (10, "ankle boot")
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
    assert len(data.train) + len(data.validation) <= 60_000
    assert len(data.validation) == pytest.approx(12_000, rel=0.05)
    # The first photo of the training part is an ankle boot.
    both = dict(zip(data.train.ids + data.validation.ids, [*data.train.labels, *data.validation.labels], strict=True))
    assert both["train-00000"] == 9


def test_photos_are_those_of_serving(tmp_path: Path) -> None:
    _write(tmp_path)
    data = load_data(CONFIG, override=str(tmp_path))
    assert isinstance(CONFIG.input, ImageConfig)
    stacked = data.test.batch(np.arange(100))
    for index in range(100):
        stream = io.BytesIO()
        Image.fromarray(data.test.raw(index)).save(stream, "PNG")
        served = read_pixels(stream.getvalue(), CONFIG.input.preprocessing, Limits())
        np.testing.assert_array_equal(data.test.prepared(index), served)
        np.testing.assert_array_equal(stacked[index], served)


def test_its_own_test_photos_are_the_test_split(tmp_path: Path) -> None:
    _write(tmp_path)
    data = load_data(CONFIG, override=str(tmp_path))
    assert data.test.ids == [f"test-{index:05}" for index in range(100)]
    assert len(data.train) + len(data.validation) == 400
    # Of training photos, the last rows repeat nothing; of test photos, all are new.
    assert all(name.startswith("train-") for name in data.train.ids + data.validation.ids)


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("train-images-idx3-ubyte.gz", None, "install the Debian package dataset-fashion-mnist"),
        ("t10k-labels-idx1-ubyte.gz", b"not gzip", "cannot be read"),
        ("t10k-labels-idx1-ubyte.gz", gzip.compress(struct.pack(">II", 0x801, 100) + bytes(99)), "cut off"),
        ("t10k-labels-idx1-ubyte.gz", gzip.compress(struct.pack(">II", 0x801, 99) + bytes(99)), "99 labels"),
        ("train-labels-idx1-ubyte.gz", gzip.compress(struct.pack(">II", 0x801, 400) + bytes([10] * 400)), "beyond the 10"),
        ("train-images-idx3-ubyte.gz", gzip.compress(b"\0\0"), "no such file of Fashion-MNIST"),
    ],
    ids=["missing", "not gzip", "cut off", "too few", "label", "kind"],
)
def test_missing_and_damaged_files_are_named(tmp_path: Path, file: str, content: bytes | None, problem: str) -> None:
    _write(tmp_path)
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match=problem):
        load_data(CONFIG, override=str(tmp_path))
