"""Networks have a new last layer and otherwise the weights that they say they have, and loading these runs no code."""

import hashlib
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.training.data.small import project
from training import efficientnet, networks
from training.config import ProjectConfig
from training.networks import NetworkError, build
from training.vision import models

# One of each form of last layer: fc, classifier[-1], heads.head, head, a convolution, after a Dropout and not.
FAMILIES = [
    ("resnet18", "fc"),
    ("mobilenet_v3_small", "classifier.3"),
    ("efficientnet_b0", "classifier.1"),
    ("convnext_tiny", "classifier.2"),
    ("vit_b_32", "heads.head"),
    ("swin_t", "head"),
    ("densenet121", "classifier"),
    ("squeezenet1_1", "classifier.1"),
    ("googlenet", "fc"),
]


def _config(backbone: str, **network: Any) -> ProjectConfig:
    return project({"source": "folder"}, network={"backbone": backbone, **network})


def _answers(module: nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        answer: torch.Tensor = module.eval()(torch.zeros(2, 3, 32, 32))
    return answer


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize(("name", "last"), FAMILIES)
def test_torchvisions_networks_get_a_new_last_layer(name: str, last: str, dropout: float) -> None:
    # Without memory: their first weights would take seconds.
    with torch.device("meta"):
        built = build(_config(f"torchvision/{name}", dropout=dropout), classes=5, features=0)
        assert _answers(built.module).shape == (2, 5)
    layer = built.module.get_submodule(last)
    assert {id(parameter) for parameter in layer.parameters()} == {id(parameter) for parameter in built.head}
    assert [len(parameter) for parameter in built.head] == [5, 5]
    assert len(built.head) + len(built.backbone) == len(list(built.module.parameters()))
    assert (built.mean, built.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (built.origin, built.origin_sha256) == ("random numbers", None)
    rates = [layer.p for layer in built.module.modules() if isinstance(layer, nn.Dropout)]
    assert dropout == 0 or rates[-1] == dropout


def test_efficientnet_lite_keeps_its_pretrained_layers() -> None:
    built = build(_config("efficientnet-lite0", pretrained=True, dropout=0.3), classes=37, features=0)
    assert _answers(built.module).shape == (2, 37)
    pretrained = efficientnet.network().state_dict()
    state = built.module.state_dict()
    assert [key for key in state if not torch.equal(state[key], pretrained[key])] == ["_fc.weight", "_fc.bias"]
    assert (built.mean, built.std) == ((127 / 255,) * 3, (128 / 255,) * 3)
    assert built.origin_sha256 == hashlib.sha256(efficientnet.weights_file().read_bytes()).hexdigest()
    assert built.module.get_submodule("_dropout").p == 0.3
    fresh = build(_config("efficientnet-lite0"), classes=37, features=0)
    assert not torch.equal(fresh.module.state_dict()["_conv_stem.weight"], pretrained["_conv_stem.weight"])
    assert fresh.origin_sha256 is None


def test_an_mlp_takes_rows() -> None:
    config = project({"source": "csv", "label": "kind"}, network={"hidden": 7, "dropout": 0.5})
    built = build(config, classes=3, features=4)
    assert built.module.eval()(torch.zeros(2, 4)).shape == (2, 3)
    assert [tuple(parameter.shape) for parameter in built.head] == [(3, 7), (3,)]
    assert [tuple(parameter.shape) for parameter in built.backbone] == [(7, 4), (7,)]
    assert built.mean is built.std is None


def test_new_weights_come_from_torchs_generator() -> None:
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(build(_config("efficientnet-lite0", pretrained=True), classes=3, features=0).head[0])
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@pytest.mark.parametrize(
    ("name", "near"), [("resnet19", "resnet18"), ("mobilenet_v3", "mobilenet_v3_small"), ("vit_b16", "vit_b_16")]
)
def test_an_unknown_name_is_refused_with_near_ones(name: str, near: str) -> None:
    with pytest.raises(NetworkError, match=rf"no classification model '{name}'; near it are .*{near}"):
        build(_config(f"torchvision/{name}"), classes=3, features=0)


@pytest.mark.parametrize("name", ["fasterrcnn_resnet50_fpn", "r3d_18", "deeplabv3_resnet50"])
def test_models_that_do_not_classify_photos_are_refused(name: str) -> None:
    with pytest.raises(NetworkError, match="no classification model"):
        build(_config(f"torchvision/{name}"), classes=3, features=0)


def test_a_network_of_one_size_of_photos_says_so() -> None:
    with pytest.raises(NetworkError, match=r"maxvit_t cannot be built for photos of 32 pixels"):
        build(_config("torchvision/maxvit_t"), classes=3, features=0)


def _state(name: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(7)
    return models.get_model(name, weights=None).state_dict()


def test_weights_are_read_from_safetensors(tmp_path: Path) -> None:
    """Also without the counters of batch normalisation, which older files lack."""
    state = {key: value for key, value in _state("resnet18").items() if "num_batches" not in key}
    save_file(state, tmp_path / "resnet.safetensors")
    weights = {"pretrained": True, "weights": str(tmp_path / "resnet.safetensors")}
    built = build(_config("torchvision/resnet18", **weights), classes=3, features=0)
    loaded = built.module.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items() if not key.startswith("fc."))
    assert built.origin == "file resnet.safetensors"
    assert built.origin_sha256 == hashlib.sha256((tmp_path / "resnet.safetensors").read_bytes()).hexdigest()


def _small_vit(_name: str = "", weights: None = None, image_size: int = 224) -> models.VisionTransformer:
    return models.VisionTransformer(image_size, patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8)


def test_a_vision_transformers_positions_are_fitted_to_the_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = _small_vit().state_dict()
    assert state["encoder.pos_embedding"].shape == (1, 1 + 14 * 14, 8)
    save_file(state, tmp_path / "vit.safetensors")
    monkeypatch.setattr(models, "get_model", _small_vit)
    weights = {"pretrained": True, "weights": str(tmp_path / "vit.safetensors")}
    built = build(_config("torchvision/vit_b_16", **weights), classes=3, features=0)
    assert _answers(built.module).shape == (2, 3)
    loaded = built.module.state_dict()
    assert loaded["encoder.pos_embedding"].shape == (1, 1 + 2 * 2, 8)
    assert torch.equal(loaded["encoder.pos_embedding"][:, 0], state["encoder.pos_embedding"][:, 0])
    assert torch.equal(loaded["conv_proj.weight"], state["conv_proj.weight"])


@pytest.mark.parametrize("backbone", ["torchvision/squeezenet1_1", "efficientnet-lite0"])
def test_weights_of_another_network_are_refused(tmp_path: Path, backbone: str) -> None:
    save_file(_state("resnet18"), tmp_path / "resnet.safetensors")
    weights = {"pretrained": True, "weights": str(tmp_path / "resnet.safetensors")}
    with pytest.raises(NetworkError, match=r"resnet\.safetensors holds weights of another network: \d+ differ"):
        build(_config(backbone, **weights), classes=3, features=0)


class _Opened:
    """Unpickled freely, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def _malicious(path: Path, made: Path, kind: str) -> None:
    if kind == "torch":
        torch.save({"features.0.weight": _Opened(made)}, path)
    else:
        path.write_bytes(pickle.dumps({"features.0.weight": _Opened(made)}))


@pytest.mark.parametrize("kind", ["torch", "pickle"])
def test_a_file_of_weights_runs_no_code(tmp_path: Path, kind: str) -> None:
    _malicious(tmp_path / "weights.pth", tmp_path / "made", kind)
    weights = {"pretrained": True, "weights": str(tmp_path / "weights.pth")}
    with pytest.raises(NetworkError, match="is no safetensors file"):
        build(_config("torchvision/squeezenet1_1", **weights), classes=3, features=0)
    assert not (tmp_path / "made").exists()


def test_an_absent_file_of_weights_is_named(tmp_path: Path) -> None:
    weights = {"pretrained": True, "weights": str(tmp_path / "absent.safetensors")}
    with pytest.raises(NetworkError, match=r"absent\.safetensors cannot be read"):
        build(_config("torchvision/squeezenet1_1", **weights), classes=3, features=0)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory that torchvision's weights are downloaded from."""
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv(networks.WEIGHTS_URL_VARIABLE, (tmp_path / "mirror").as_uri() + "/")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    return tmp_path / "mirror"


def _publish(file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a file torchvision's weights of squeezenet1_1, with its digest in the name as theirs have."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.rename(file.with_name(f"squeezenet1_1-{digest[:8]}.pth"))
    weights = SimpleNamespace(url=f"https://download.pytorch.org/models/squeezenet1_1-{digest[:8]}.pth")
    monkeypatch.setattr(models, "get_model_weights", {"squeezenet1_1": SimpleNamespace(DEFAULT=weights)}.get)
    return digest


def test_torchvisions_weights_are_downloaded_once(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = _state("squeezenet1_1")
    torch.save(state, mirror / "file")
    digest = _publish(mirror / "file", monkeypatch)
    for _ in range(2):
        built = build(_config("torchvision/squeezenet1_1", pretrained=True), classes=3, features=0)
        loaded = built.module.state_dict()
        assert torch.equal(loaded["features.0.weight"], state["features.0.weight"])
        assert built.origin == f"https://download.pytorch.org/models/squeezenet1_1-{digest[:8]}.pth"
        assert built.origin_sha256 == digest
        # The second time, it is there already.
        for file in mirror.iterdir():
            file.unlink()


def test_a_downloaded_file_runs_no_code(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _malicious(mirror / "file", tmp_path / "made", "torch")
    _publish(mirror / "file", monkeypatch)
    with pytest.raises(NetworkError, match="holds more than weights, or is damaged"):
        build(_config("torchvision/squeezenet1_1", pretrained=True), classes=3, features=0)
    assert not (tmp_path / "made").exists()


def test_other_bytes_than_torchvisions_are_refused(mirror: Path, tmp_path: Path) -> None:
    name = models.SqueezeNet1_1_Weights.DEFAULT.url.rpartition("/")[2]
    torch.save(_state("squeezenet1_1"), mirror / name)
    with pytest.raises(NetworkError, match=r"cannot get the weights of squeezenet1_1 .*hash"):
        build(_config("torchvision/squeezenet1_1", pretrained=True), classes=3, features=0)
    assert not list((tmp_path / "hub").rglob("*.pth"))


def test_an_absent_download_says_what_to_do(mirror: Path) -> None:
    with pytest.raises(NetworkError, match=r"name a safetensors file in network\.weights.*TORCHVISION_WEIGHTS_URL"):
        build(_config("torchvision/squeezenet1_1", pretrained=True), classes=3, features=0)
