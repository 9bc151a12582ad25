"""Files that are refused: what holds code is never loaded, and every message says what to do."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from safetensors.torch import save_file

from tests.training import onnx_models
from tests.training.test_import import bring, place
from training.vision import models

__all__ = ["place"]


class _Creates:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("suffix", ["pth", "pt", "pkl", "safetensors", "onnx"])
def test_a_pickle_runs_nothing_under_any_name(place: Path, tmp_path: Path, protocol: int, suffix: str) -> None:
    trace = tmp_path / "was-here"
    file = tmp_path / f"model.{suffix}"
    file.write_bytes(pickle.dumps(_Creates(trace), protocol))
    assert refusal(place, file).count("safetensors.torch.save_file(") == 1
    assert not trace.exists()
    pickle.loads(file.read_bytes())  # noqa: S301 - so that the test would see it
    assert trace.exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_what_torch_saves_is_not_loaded(place: Path, tmp_path: Path, legacy: bool) -> None:
    trace = tmp_path / "was-here"
    file = tmp_path / "model.pth"
    torch.save({"weights": _Creates(trace)}, file, _use_new_zipfile_serialization=not legacy)
    assert "is a pickle, as torch.save writes it" in refusal(place, file)
    assert not trace.exists()


def test_keras_files_are_told_how_to_become_onnx(place: Path, tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    assert "tf2onnx.convert.from_keras" in refusal(place, tmp_path / "model.h5")
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
    assert "tf2onnx.convert.from_keras" in refusal(place, tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "neither safetensors nor ONNX"),
        (b"GIF89a" + bytes(100), "neither safetensors nor ONNX"),
        (b"\x08\x09garbage", "is no ONNX model, or it is cut off"),
        ((20).to_bytes(8, "little") + b"{" + bytes(40), "its header is damaged"),
    ],
)
def test_other_files_are_named(place: Path, tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "model"
    file.write_bytes(content)
    assert message in refusal(place, file)


def test_weights_in_other_files_are_not_opened(place: Path, tmp_path: Path) -> None:
    model = onnx_models.model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    message = refusal(place, onnx_models.write(tmp_path / "model.onnx", model))
    assert "keeps 'kernel' in another file (../../../etc/passwd)" in message
    hidden = onnx_models.model()
    constant = helper.make_node("Constant", [], ["unused"], value=tensor)
    branch = helper.make_graph([constant], "branch", [], [helper.make_empty_tensor_value_info("unused")])
    condition = numpy_helper.from_array(np.array(True), "condition")
    hidden.graph.initializer.append(condition)
    hidden.graph.node.append(helper.make_node("If", ["condition"], ["x"], then_branch=branch, else_branch=branch))
    assert "in another file" in refusal(place, onnx_models.write(tmp_path / "hidden.onnx", hidden))


def _functions(depth: int, calls: int, last: str) -> onnx.ModelProto:
    """Return a model of a few hundred bytes: a function that calls one several times, which calls one several times, ..."""
    model = onnx_models.model()
    model.opset_import.add(domain="own", version=1)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for level in range(depth):
        called, domain = (last, "own" if last.startswith("f") else "") if level == depth - 1 else (f"f{level + 1}", "own")
        names = ["x", *(f"x{level}_{number}" for number in range(calls))]
        nodes = [helper.make_node(called, [names[n]], [names[n + 1]], domain=domain) for n in range(calls)]
        model.functions.append(helper.make_function("own", f"f{level}", ["x"], [names[-1]], nodes, opsets))
    model.graph.node[1].domain, model.graph.node[1].op_type = "own", "f0"
    return model


def _large() -> onnx.ModelProto:
    model = onnx_models.model()
    shape = numpy_helper.from_array(np.array([2**20, 2**20], np.int64), "sides")
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("ConstantOfShape", ["sides"], ["zeros"]))
    return model


def _model_with(**changes: object) -> onnx.ModelProto:
    model = onnx_models.model()
    if "domain" in changes:
        model.graph.node[1].domain = str(changes["domain"])
        model.opset_import.add(domain=str(changes["domain"]), version=1)
    if "opset" in changes:
        model.opset_import[0].version = 99
    if "type" in changes:
        model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    if "shape" in changes:
        dimensions = model.graph.input[0].type.tensor_type.shape
        del dimensions.dim[:]
        for size in changes["shape"]:  # type: ignore[attr-defined]
            dimensions.dim.add(dim_value=size)
    if "outputs" in changes:
        model.graph.output.append(helper.make_tensor_value_info("product", onnx.TensorProto.FLOAT, ["n", 4]))
    if "cycle" in changes:
        model.graph.node[0].input[0] = "logits"
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_model_with(domain="com.evil"), "operators that are not ONNX's own: com.evil.Relu"),
        (_model_with(opset=99), "uses opset 99"),
        (_model_with(type="uint8"), "is uint8; it has to be float32"),
        (_model_with(shape=[1, 32, 32, 1]), "is 1x32x32x1, which is not batch, 3 channels, and a square"),
        (_model_with(shape=[1, 8]), "is 1x8; photos need batch, channels, height, width"),
        (_model_with(shape=[1, 3, 3, 3]), "say with --input-layout"),
        (_model_with(outputs=2), "has 1 inputs and 2 outputs"),
        (_model_with(cycle=True), "breaks ONNX's rules"),
        (_functions(12, 10, "Relu"), "functions that stand for more than 100000 operators"),
        (_functions(3, 1, "f0"), "a function that calls itself: own.f0"),
        (_large(), "makes 'zeros' of 1048576x1048576 numbers"),
        (onnx_models.model(last="Sigmoid"), "ends in Sigmoid"),
        (onnx_models.model(batch=1, reshape=[-1, 8, 1]), "breaks ONNX's rules"),
    ],
)
def test_models_that_cannot_be_served_are_explained(place: Path, tmp_path: Path, model: onnx.ModelProto, message: str) -> None:
    assert message in refusal(place, onnx_models.write(tmp_path / "model.onnx", model))


def test_labels_have_to_be_as_many_as_the_answers(place: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n")
    file = onnx_models.write(tmp_path / "model.onnx", onnx_models.model())
    assert "the model answers 4 numbers for a photo, and there are 2 labels" in refusal(place, file, "--labels", str(labels))
    labels.write_text("cat\ncat\n")
    assert "names cat more than once" in refusal(place, file, "--labels", str(labels))


def test_folders_of_photos_are_classes(place: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("lynx\nowl\nseal\ntoad\n")
    file = onnx_models.write(tmp_path / "model.onnx", onnx_models.model())
    arguments = ["--labels", str(labels), "--images", str(place / "labelled")]
    assert "is no class: folders of sample photos are named for the classes" in refusal(place, file, *arguments)


def test_weights_have_to_fit_the_architecture(place: Path, tmp_path: Path) -> None:
    network = models.resnet18(weights=None, num_classes=7)
    file = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), file)
    assert "--architecture, such as torchvision/resnet18" in refusal(place, file)
    assert "is none of torchvision's classifiers" in refusal(place, file, "--architecture", "torchvision/maskrcnn")
    message = refusal(place, file, "--architecture", "torchvision/resnet18")
    assert "fc.weight is 7x512 in the file and 4x512 in the model: the labels have to be 7 in number" in message
    assert "it lacks layer1.0.bn3.bias" in refusal(place, file, "--architecture", "torchvision/resnet50")
    network.fc = torch.nn.Linear(512, 4)
    with torch.no_grad():
        network.conv1.weight[0] = float("nan")
    save_file(network.state_dict(), file)
    assert "conv1.weight holds numbers that are not finite" in refusal(place, file, "--architecture", "torchvision/resnet18")


def test_a_damaged_file_of_weights_is_no_traceback(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(100)}, file)
    file.write_bytes(file.read_bytes()[:-10])
    assert "is damaged" in refusal(place, file, "--architecture", "torchvision/resnet18")


def refusal(place: Path, file: Path, *arguments: str) -> str:
    """Import a file that is refused with one line and leaves nothing; return the line."""
    result = bring(place, file, *arguments)
    assert result.exit_code == 1, result.output
    assert not Path(f"{file}.bundle").exists()
    return str(result.stderr)
