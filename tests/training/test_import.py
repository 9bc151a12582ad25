"""Models from elsewhere: the bundle answers as their own network does."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from onnx.reference import ReferenceEvaluator
from PIL import Image
from safetensors.torch import save_file

from bundle import load
from bundle.images import Limits, read_pixels
from bundle.loading import Bundle
from bundle.manifest import ImageInput
from tests.bundles import CAT
from tests.inference.servers import serving
from tests.training import onnx_models
from training.cli import main
from training.export import openvino_program
from training.importing import torchvision_model
from training.importing.onnx_file import read_onnx
from training.importing.photos import SampleError, _label, read_labels
from training.vision import models

Import = Callable[..., Result]
NORMALISED = ["--mean", ",".join(map(str, onnx_models.MEAN)), "--std", ",".join(map(str, onnx_models.STD))]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with labels, photos without labels (`photos`), and photos in folders of classes (`labelled`)."""
    root = tmp_path_factory.mktemp("import")
    (root / "labels.txt").write_text("\n".join(onnx_models.CLASSES) + "\n")
    cat = Image.open(CAT).convert("RGB")
    (root / "photos").mkdir()
    for index in range(30):
        folder = root / "labelled" / onnx_models.CLASSES[index % 4]
        folder.mkdir(parents=True, exist_ok=True)
        piece = cat.crop((8 * index, 4 * index, 8 * index + 90, 4 * index + 70))
        piece.save(folder / f"{index}.png")
        piece.save(root / "photos" / f"{index}.png")
    return root


def bring(place: Path, file: Path, *arguments: str, images: str = "photos") -> Result:
    """Run `import` with options that suit the small models; the bundle is `<file>.bundle`."""
    return CliRunner().invoke(
        main,
        [
            *("import", str(file), "--name", "brought", "--version", "1.0.0", "--labels", str(place / "labels.txt")),
            *("--images", str(place / images), "--output", f"{file}.bundle", "--min-agreement", "0.5", *arguments),
        ],
    )


def imported(result: Result, file: Path) -> Bundle:
    assert result.exit_code == 0, result.output
    return load(Path(f"{file}.bundle"), result.stdout.strip())


def pixels_of(bundle: Bundle, root: Path) -> np.ndarray:
    assert isinstance(bundle.manifest.input, ImageInput)
    preprocessing = bundle.manifest.input.preprocessing
    return np.stack([read_pixels(path.read_bytes(), preprocessing, Limits()) for path in sorted(root.rglob("*.png"))])


def answers_of(bundle: Bundle, program: str, pixels: np.ndarray) -> np.ndarray:
    return openvino_program.compiled(openvino_program.read(bundle.path(bundle.manifest.programs[program].path)))(pixels)


@pytest.fixture(scope="module")
def from_keras(place: Path) -> tuple[Result, Bundle]:
    """What a converter from Keras writes: NHWC, softmax, batches of one, a Reshape that says so."""
    model = onnx_models.model(layout="NHWC", batch=1, last="Softmax", reshape=[1, 8])
    file = onnx_models.write(place / "keras.onnx", model)
    result = bring(place, file, *NORMALISED, "--licence", "MIT", "--source", "a friend", images="labelled")
    return result, imported(result, file)


def test_a_model_from_keras_answers_as_it_did(place: Path, from_keras: tuple[Result, Bundle]) -> None:
    bundle = from_keras[1]
    pixels = pixels_of(bundle, place / "photos")
    assert np.abs(answers_of(bundle, "openvino-fp32", pixels) - onnx_models.truth(pixels)).max() < 1e-5
    manifest = bundle.manifest
    assert set(manifest.programs) == {"openvino-fp32", "openvino-int8"}
    assert manifest.classes == onnx_models.CLASSES
    assert (manifest.licence, manifest.source.description, manifest.lineage) == ("MIT", "a friend", None)
    assert isinstance(manifest.input, ImageInput)
    assert (manifest.input.preprocessing.crop, manifest.input.preprocessing.resize_shorter_side) == (32, 37)


def test_it_is_served_with_the_same_numbers(place: Path, from_keras: tuple[Result, Bundle]) -> None:
    bundle = from_keras[1]
    with serving(bundle.root, "--program", "openvino-fp32") as server:
        for path in sorted((place / "photos").iterdir())[:5]:
            pixels = read_pixels(path.read_bytes(), bundle.manifest.input.preprocessing, Limits())  # type: ignore[union-attr]
            expected = onnx_models.truth(pixels[None])[0]
            answered = server.predict(path.read_bytes(), "image/png").document["predictions"]
            assert len(answered) == 4
            for item in answered:
                assert item["class"] == onnx_models.CLASSES[item["class_id"]]
                assert item["confidence"] == pytest.approx(expected[item["class_id"]], abs=1e-4)


def test_folders_named_for_classes_measure_accuracy(place: Path, from_keras: tuple[Result, Bundle]) -> None:
    result, bundle = from_keras
    metrics = bundle.manifest.metrics
    compared = bundle.manifest.programs["openvino-fp32"].agreement.samples
    # Every photo that measured is right or wrong: the accuracy is a share of their number.
    assert (metrics["test_accuracy"] * compared) == pytest.approx(round(metrics["test_accuracy"] * compared))
    right = total = 0
    for index, name in enumerate(onnx_models.CLASSES):
        answers = onnx_models.truth(pixels_of(bundle, place / "labelled" / name)).argmax(axis=1)
        right, total = right + int((answers == index).sum()), total + len(answers)
    assert abs(metrics["test_accuracy"] - right / total) < 0.25
    assert metrics["openvino_fp32_test_accuracy"] == metrics["test_accuracy"]
    assert "openvino_int8_test_accuracy" in metrics
    assert "accuracy was not measured" not in result.stderr


def test_logits_get_a_softmax_and_blue_may_come_first(place: Path) -> None:
    file = onnx_models.write(place / "torch.onnx", onnx_models.model())
    bundle = imported(bring(place, file, *NORMALISED), file)
    pixels = pixels_of(bundle, place / "photos")
    assert np.abs(answers_of(bundle, "openvino-fp32", pixels) - onnx_models.truth(pixels)).max() < 1e-5
    golden = [case.input for case in bundle.golden().cases]
    assert {"gradient.png", "photo-0.png"} <= set(golden)
    assert "cat.jpg" not in golden
    mirrored = onnx_models.write(place / "bgr.onnx", onnx_models.model())
    reverse = [",".join(map(str, values[::-1])) for values in (onnx_models.MEAN, onnx_models.STD)]
    result = bring(place, mirrored, "--channels", "bgr", "--mean", reverse[0], "--std", reverse[1])
    found = answers_of(imported(result, mirrored), "openvino-fp32", np.ascontiguousarray(pixels[..., ::-1]))
    assert np.abs(found - onnx_models.truth(pixels)).max() < 1e-5


@pytest.mark.parametrize("opset", [7, 9, 13])
def test_batch_normalisation_that_does_not_say_whether_it_trains_is_brought_to_one_that_does(place: Path, opset: int) -> None:
    """ONNX's evaluator takes an older one for one that trains, and blends in what it sees of the batch."""
    model = onnx_models.model(opset=opset, normalised=True)
    read = read_onnx(onnx_models.write(place / f"opset{opset}.onnx", model), None, None)
    pixels = np.stack([np.full((32, 32, 3), 40 * number, np.uint8) for number in range(5)])
    items = (pixels / np.float32(255) - np.array(onnx_models.MEAN)) / np.array(onnx_models.STD)
    (logits,) = ReferenceEvaluator(read.model).run(None, {read.input: items.transpose(0, 3, 1, 2).astype(np.float32)})
    probabilities = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    assert np.abs(probabilities - onnx_models.truth(pixels)).max() < 1e-5


def test_numbers_that_only_count_the_labels_are_no_part_of_them(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("0 cat\n1 dog\n2 101 dalmatians\n")
    said: list[str] = []
    assert read_labels(labels, said.append) == ["cat", "dog", "101 dalmatians"]
    assert said == [f"{labels} counts its lines: '0 cat' is taken for 'cat', and so on"]
    for names in (["0 cat", "2 dog"], ["101 dalmatians", "1 dog"], ["0", "1"], ["0 stars", "1 star", "2 stars"]):
        labels.write_text("\n".join(names))
        assert read_labels(labels, said.append) == names
    assert len(said) == 1


@pytest.mark.parametrize("folder", ["1 seal", "seal"])
def test_folders_may_count_as_the_labels_do(tmp_path: Path, folder: str) -> None:
    assert _label(Path(folder, "a.png"), tmp_path, ["owl", "seal"]) == 1


def test_a_label_in_two_ways_of_unicode_is_one_label(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("Caf\u00e9\nCafe\u0301\n", encoding="utf-8")
    with pytest.raises(SampleError, match="more than once"):
        read_labels(labels, print)


def test_labels_from_notepad_begin_with_no_mark(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\r\ndog\r\n", encoding="utf-8-sig")
    assert read_labels(labels, print) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("prefix", "counters"), [("", False), ("module.", True), ("_orig_mod.", True), ("_orig_mod.module.", False)]
)
def test_weights_with_prefixes_or_without_counters_are_those_of_the_network(
    tmp_path: Path, prefix: str, counters: bool
) -> None:
    said: list[str] = []
    network = models.shufflenet_v2_x0_5(weights=None, num_classes=4).eval()
    state = network.state_dict()
    file = tmp_path / "weights.safetensors"
    save_file({prefix + name: value for name, value in state.items() if counters or "num_batches" not in name}, file)
    loaded = torchvision_model.network(file, "torchvision/shufflenet_v2_x0_5", 4, said.append).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())
    assert [prefix in line for line in said] == ([True] if prefix else [])


def test_without_labels_the_output_says_what_will_be_refused(place: Path) -> None:
    file = onnx_models.write(place / "unlabelled.onnx", onnx_models.model(last="Softmax"))
    result = bring(place, file, *NORMALISED)
    assert "test_accuracy" not in imported(result, file).manifest.metrics
    assert "accuracy was not measured: an inventory with a floor refuses this bundle" in result.stderr


def test_weights_of_a_torchvision_model(place: Path) -> None:
    torch.manual_seed(2)
    network = models.squeezenet1_1(weights=None, num_classes=4).eval()
    file = place / "squeezenet.safetensors"
    save_file(network.state_dict(), file)
    # What int8 makes of random weights says nothing.
    arguments = ["--crop", "32", "--interpolation", "bicubic", "--min-agreement", "0"]
    result = bring(place, file, "--architecture", "torchvision/squeezenet1_1", *arguments)
    bundle = imported(result, file)
    assert set(bundle.manifest.programs) == {"openvino-fp32", "openvino-int8", "torch-fp32"}
    pixels = pixels_of(bundle, place / "photos")
    inputs = (torch.from_numpy(pixels).float() / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor(
        [0.229, 0.224, 0.225]
    )
    with torch.inference_mode():
        expected = torch.softmax(network(inputs.permute(0, 3, 1, 2)), dim=1).numpy()
    assert np.abs(answers_of(bundle, "openvino-fp32", pixels) - expected).max() < 1e-4


def test_an_image_of_the_golden_set_tells_nothing_but_its_pixels(place: Path) -> None:
    directory = place / "tagged"
    directory.mkdir()
    cat = Image.open(CAT).convert("RGB")
    tags = Image.Exif()
    tags[0x010E] = "taken at home"
    for index in range(20):
        stream = io.BytesIO()
        cat.crop((index, 0, index + 700, 400)).save(stream, "JPEG", exif=tags)
        (directory / f"{index}.jpg").write_bytes(stream.getvalue())
    file = onnx_models.write(place / "tagged.onnx", onnx_models.model())
    bundle = imported(bring(place, file, *NORMALISED, images="tagged"), file)
    for case in bundle.golden().cases:
        content = bundle.path(f"golden/{case.input}").read_bytes()
        assert b"taken at home" not in content
        assert max(Image.open(io.BytesIO(content)).size) <= 640
