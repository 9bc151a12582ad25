"""A folder of photos is read as the service would read them; what cannot be used is named."""

import os
import unicodedata
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


def test_what_systems_lay_beside_photos_is_passed_over_and_other_files_are_named(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    write_photos(root, {"dog": 20, "cat": 20})
    for name in (".git", "__MACOSX", "dog/.ipynb_checkpoints", "cat/@eaDir/0001.png"):
        (root / name).mkdir(parents=True)
    for name in ("dog/._0001.png", "__MACOSX/._0001.png", "dog/.ipynb_checkpoints/0001.png", "cat/Thumbs.db"):
        (root / name).write_bytes(b"resource fork")
    Image.fromarray(noise(999)).save(root / "cat/@eaDir/0001.png/SYNOFILE_THUMB_M.jpg")
    for number in range(7):
        (root / f"dog/IMG_{number}.HEIC").write_bytes(b"heic")
    (root / "labels.csv").write_text("notes")
    (root / "cat/more").symlink_to(root / "dog")
    said: list[str] = []
    data = _load(root, said)
    assert len(_all(data)) == 40
    assert "9 files are no JPEG, PNG or WebP" in said[0]
    assert "(labels.csv, cat/more, dog/IMG_0.HEIC, dog/IMG_1.HEIC, dog/IMG_2.HEIC and 4 more)" in said[0]
    assert len(said) == 2


@pytest.mark.parametrize(("suffix", "kind"), [("jfif", "JPEG"), ("JPE", "JPEG"), ("Jpeg", "JPEG"), ("WEBP", "WEBP")])
def test_a_photo_is_one_under_every_name_of_its_format(tmp_path: Path, suffix: str, kind: str) -> None:
    write_photos(tmp_path / "photos", {"dog": 20, "cat": 20})
    (tmp_path / "photos" / "cat" / f"saved.{suffix}").write_bytes(encoded(picture(), kind))
    assert _all(_load(tmp_path / "photos"))[f"cat/saved.{suffix}"] == "cat"


@pytest.mark.parametrize("name", [b"Stra\xdfe/0001.png", b"dog/Stra\xdfe.png", b"dog/Stra\xdfe/1.png"])
def test_a_name_that_is_not_utf_8_is_named(tmp_path: Path, name: bytes) -> None:
    write_photos(tmp_path / "photos", {"dog": 1, "cat": 1})
    path = Path(os.fsdecode(os.fsencode(tmp_path / "photos") + b"/" + name))
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(noise(9)).save(path)
    with pytest.raises(DataError, match=r"Stra\\xdfe.*: this name is not UTF-8.*: rename it") as refused:
        _load(tmp_path / "photos")
    str(refused.value).encode()


def test_the_same_photo_in_two_classes_is_named(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", {"cat": 20})
    write_photos(tmp_path / "photos", {"dog": 20}, first_seed=17)
    Image.fromarray(noise(3)).save(tmp_path / "photos/cat/copy.png")  # in its own class: no contradiction
    said: list[str] = []
    _load(tmp_path / "photos", said)
    assert said[0].startswith("3 items are the same as one of another class: cat/0017.png (cat) and dog/0017.png (dog), ")
    assert "items of 2 classes" in said[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[("Cat", "cat"), ("cat", "cat "), ("golden_retriever", "golden retriever")],
        (unicodedata.normalize("NFC", "Kätzchen"), unicodedata.normalize("NFD", "Kätzchen")),
    ],
)
def test_two_spellings_of_a_class_are_named(tmp_path: Path, one: str, other: str) -> None:
    write_photos(tmp_path / "photos", {one: 20, other: 20, "dog": 20})
    said: list[str] = []
    assert len(_load(tmp_path / "photos", said).classes) == 3
    assert "capitals, blanks or accents only" in said[0]
    assert ascii(one) in said[0]
    assert ascii(other) in said[0]
    assert "dog" not in said[0]


def _parts(tmp_path: Path, names: list[str], inside: str) -> Path:
    for seed, name in enumerate(names):
        write_photos(tmp_path / "photos" / name, {f"{inside}{kind}": 1 for kind in "ab"}, first_seed=10 * seed)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    "names",
    [
        *(["train", "val", "test"], ["Training", "VALID"], ["training_set", "test_set"], ["train"]),
        *(["train2017", "val2017"], ["train1", "test1"]),
    ],
)
def test_the_parts_of_a_split_are_no_classes(tmp_path: Path, names: list[str]) -> None:
    root = _parts(tmp_path, names, inside="kind-")
    with pytest.raises(DataError, match=rf"parts of a split, and no classes.* --data {root}/[tT]rain"):
        _load(root)


@pytest.mark.parametrize("names", [["seg_train", "seg_test"], ["training_set", "test_set", "single_prediction"]])
def test_parts_of_a_split_are_known_by_what_they_hold_too(tmp_path: Path, names: list[str]) -> None:
    root = _parts(tmp_path, names[:2], inside="kind-/")
    for other in names[2:]:
        write_photos(root, {other: 2})
    with pytest.raises(DataError, match=rf"holds {names[1]}, {names[0]}: parts of a split, and no classes"):
        _load(root)


def test_classes_that_hold_the_same_folders_are_named(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for seed, name in enumerate(["first", "second"]):
        write_photos(root / name, {"cat": 6, "dog": 6}, first_seed=100 * seed)
    said: list[str] = []
    _load(root, said)
    assert said[0].startswith("first, second are taken for the classes, and each holds cat, dog: if those are")


def test_a_folder_too_high_is_told_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"it has 1; is it --data {tmp_path}/photos/dataset\?"):
        _load(_parts(tmp_path, ["dataset"], inside=""))


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


@pytest.mark.parametrize("cut", ["short", "closed"])
def test_half_a_photo_is_damaged(tmp_path: Path, cut: str) -> None:
    write_photos(tmp_path / "photos", {"dog": 20, "cat": 20})
    whole = encoded(picture(400, 300), "JPEG")
    half = whole[: len(whole) // 2] + (b"\xff\xd9" if cut == "closed" else b"")
    (tmp_path / "photos" / "dog" / "half.jpg").write_bytes(half)
    with pytest.raises(DataError, match=r"1 of 41 photos cannot be used: .*half\.jpg: .*(cut off|truncated)"):
        _load(tmp_path / "photos")


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
        ({"cat": 3, "dog": 0}, "dog holds no JPEG, PNG or WebP photo but 1.heic: remove the folder"),
    ],
)
def test_folders_without_classes_or_photos_are_refused(tmp_path: Path, folders: dict[str, int], problem: str) -> None:
    write_photos(tmp_path / "photos", folders)
    if "dog" in folders:
        (tmp_path / "photos/dog/1.heic").touch()
    with pytest.raises(DataError, match=problem):
        _load(tmp_path / "photos")


def test_no_folder_at_all_is_refused() -> None:
    with pytest.raises(DataError, match="name a folder of photos with --data"):
        load_data(CONFIG)
