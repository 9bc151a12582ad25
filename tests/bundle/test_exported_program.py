"""A `.pt2` archive that could run code when torch loads it is refused before torch sees it."""

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bundle import BundleError
from bundle.exported_program import check_exported_program
from tests.bundles import tiny_bundle
from training.export.torch_program import save_program


class _RunsCode:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (exec, ("raise SystemExit('code of the archive was run')",))


def _rewrite(target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(tiny_bundle() / "torch/model.pt2") as source:
        members = {name: source.read(name) for name in source.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target


def _edit_graph(members: dict[str, bytes], old: str, new: str) -> None:
    graph = members["model/models/model.json"].decode()
    assert old in graph
    members["model/models/model.json"] = graph.replace(old, new).encode()


def _sample_inputs(members: dict[str, bytes]) -> None:
    members["model/data/sample_inputs/model.pt"] = pickle.dumps(_RunsCode())


def _pickled_weight(members: dict[str, bytes]) -> None:
    name = "model/data/weights/model_weights_config.json"
    config = json.loads(members[name])
    next(iter(config["config"].values()))["use_pickle"] = True
    members[name] = json.dumps(config).encode()


def _evaluated_expression(members: dict[str, bytes]) -> None:
    graph = json.loads(members["model/models/model.json"])
    text = json.dumps(graph)
    expression = text.split('"expr_str": "')[1].split('"')[0]
    members["model/models/model.json"] = text.replace(expression, "__import__('os').system('true')").encode()


def _guard(members: dict[str, bytes]) -> None:
    _edit_graph(members, '"guards_code": []', '"guards_code": ["exit()"]')


def _foreign_operator(members: dict[str, bytes]) -> None:
    _edit_graph(members, "torch.ops.aten.softmax.int", "os.system")


def _script_object(members: dict[str, bytes]) -> None:
    members["model/data/constants/custom_obj_0"] = pickle.dumps(_RunsCode())


def _native_code(members: dict[str, bytes]) -> None:
    members["model/data/aotinductor/model/code.so"] = b"\x7fELF"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_sample_inputs, "sample_inputs/model.pt holds pickled sample inputs"),
        (_pickled_weight, "as a pickle"),
        (_evaluated_expression, "carries the expression"),
        (_guard, "carries guard code"),
        (_foreign_operator, "calls 'os.system'"),
        (_script_object, "custom_obj_0 is not a kind of member"),
        (_native_code, "code.so is not a kind of member"),
    ],
)
def test_code_in_an_archive_is_refused(tmp_path: Path, change: Callable[[dict[str, bytes]], None], told: str) -> None:
    path = _rewrite(tmp_path / "model.pt2", change)
    with pytest.raises(BundleError, match=told):
        check_exported_program(path, "torch/model.pt2")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_hides_another_is_refused(tmp_path: Path) -> None:
    path = _rewrite(tmp_path / "model.pt2", lambda members: None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model/models/model.json", b"{}")
    with pytest.raises(BundleError, match="two members have the same name"):
        check_exported_program(path, "torch/model.pt2")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", pickle.dumps({})])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(content)
    with pytest.raises(BundleError, match="not an exported program"):
        check_exported_program(path, "torch/model.pt2")


def test_what_torch_saves_by_itself_is_refused_and_what_the_export_saves_is_not(tmp_path: Path) -> None:
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),))
    torch.export.save(program, tmp_path / "plain.pt2")
    with pytest.raises(BundleError, match="pickled sample inputs"):
        check_exported_program(tmp_path / "plain.pt2", "plain.pt2")
    save_program(program, tmp_path / "ours.pt2")
    check_exported_program(tmp_path / "ours.pt2", "ours.pt2")
