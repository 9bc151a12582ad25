"""A `.pt2` archive that could run code when torch loads it is refused, and torch gets nothing but what was checked."""

import json
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bundle import BundleError
from bundle.exported_program import check_exported_program, read_exported_program
from tests.bundles import tiny_bundle
from training.export.torch_program import save_program, trace

GRAPH = "model/models/model.json"
WEIGHTS = "model/data/weights/model_weights_config.json"
SHELL = "__import__('os').system('true')"
# A context that names a class is imported, wherever Python finds its module.
IMPORTED = json.dumps({"__enum__": True, "fqn": "payload:x", "name": "y"})
IMPORTING = json.dumps([1, {"type": "builtins.tuple", "context": IMPORTED, "children_spec": []}])


class _RunsCode:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (exec, ("raise SystemExit('code of the archive was run')",))


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as source:
        return {name: source.read(name) for name in source.namelist()}


def _write(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def _rewrite(target: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    members = _members(tiny_bundle() / "torch/model.pt2")
    change(members)
    return _write(target, members)


def _in(member: str, change: Callable[[Any], object]) -> Callable[[dict[str, bytes]], object]:
    """Return a change of one of the archive's documents."""

    def apply(members: dict[str, bytes]) -> None:
        document = json.loads(members[member])
        change(document)
        members[member] = json.dumps(document).encode()

    return apply


def _graph(change: Callable[[Any], object]) -> Callable[[dict[str, bytes]], object]:
    return _in(GRAPH, lambda document: change(document["graph_module"]))


def _node(change: Callable[[Any], object]) -> Callable[[dict[str, bytes]], object]:
    return _graph(lambda module: change(module["graph"]["nodes"][0]))


def _signature(change: Callable[[Any], object]) -> Callable[[dict[str, bytes]], object]:
    return _graph(lambda module: change(next(each["signature"] for each in module["module_call_graph"] if each["signature"])))


def _payload(**fields: Any) -> Callable[[dict[str, bytes]], object]:
    return _in(WEIGHTS, lambda document: next(iter(document["config"].values())).update(fields))


def _meta(**fields: Any) -> Callable[[dict[str, bytes]], object]:
    return _in(WEIGHTS, lambda document: next(iter(document["config"].values()))["tensor_meta"].update(fields))


def _expression(members: dict[str, bytes]) -> None:
    text = members[GRAPH].decode()
    expression = text.split('"expr_str": "')[1].split('"')[0]
    members[GRAPH] = text.replace(expression, SHELL).encode()


def _called_like_a_config(members: dict[str, bytes]) -> None:
    """A second program whose name ends as the names of harmless documents do."""
    changed = dict(members)
    _expression(changed)
    members["model/models/x_config.json"] = changed[GRAPH]


def _adding(name: str, data: bytes) -> Callable[[dict[str, bytes]], object]:
    return lambda members: members.update({name: data})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_called_like_a_config, r"models/x_config\.json is not a kind of member"),
        (_adding("model/models/other.json", b"{}"), r"models/other\.json is not a kind of member"),
        (_adding("model/data/constants/custom_obj_0", pickle.dumps(_RunsCode())), "custom_obj_0 is not a kind of member"),
        (_adding("model/data/weights/model.pt", pickle.dumps(_RunsCode())), r"weights/model\.pt is not a kind of member"),
        (_adding("model/data/aotinductor/model/code.so", b"\x7fELF"), r"code\.so is not a kind of member"),
        (_adding("model/data/weights/weight_99", b"left over"), "no tensor is in weight_99"),
        (_adding("model/data/sample_inputs/model.pt", pickle.dumps(_RunsCode())), "holds pickled sample inputs"),
        (_adding("model/byteorder", b"big"), "byteorder is not what this project exports"),
        (lambda members: members.pop(GRAPH), r"models/model\.json is missing"),
        (_payload(use_pickle=True), "as a pickle"),
        (_payload(path_name="weight_77"), "weight_77, which is missing"),
        (_payload(path_name="../../models/model.json"), "path_name"),
        (_meta(sizes=[{"as_int": 2**40}], strides=[{"as_int": 1}]), "ends behind its file"),
        (_meta(storage_offset={"as_int": 2**30}), "ends behind its file"),
        (_meta(dtype=99), "is no tensor of a plain type"),
        (_expression, "carries the expression"),
        (_in(GRAPH, lambda document: document.update(guards_code=["exit()"])), "carries guard code"),
        (_in(GRAPH, lambda document: document.update(extra=1)), r"Extra inputs are not permitted \(extra\)"),
        (_node(lambda node: node.update(target="os.system")), "calls 'os.system'"),
        (_node(lambda node: node.update(target="torch.ops.aten.from_file.default")), "calls 'torch.ops.aten.from_file"),
        (_node(lambda node: node.update(metadata={"custom": "{}"})), "metadata"),
        (_node(lambda node: node["inputs"][0].update(arg={"as_operator": "torch.load"})), "as_operator"),
        (_node(lambda node: node.update(name=f"x={SHELL}")), r"nodes\.0\.name"),
        (_graph(lambda it: it["graph"]["inputs"][-1]["as_tensor"].update(name=f"x={SHELL}")), r"inputs.*name"),
        (_signature(lambda it: it.update(forward_arg_names=[f"x={SHELL}"])), "forward_arg_names"),
        (_signature(lambda it: it.update(in_spec=IMPORTING)), r"something else than tuples.*in_spec"),
        (_signature(lambda it: it.update(out_spec=IMPORTING)), r"something else than tuples.*out_spec"),
        (
            _signature(lambda it: it.update(in_spec=it["in_spec"].replace("builtins.dict", "collections.defaultdict"))),
            "in_spec",
        ),
        (_graph(lambda module: module["module_call_graph"].append({"fqn": "__class__.x", "signature": None})), "fqn"),
    ],
)
def test_code_in_an_archive_is_refused(tmp_path: Path, change: Callable[[dict[str, bytes]], object], told: str) -> None:
    path = _rewrite(tmp_path / "model.pt2", change)
    for read in (check_exported_program, read_exported_program):
        with pytest.raises(BundleError, match=told):
            read(path, "torch/model.pt2")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_hides_another_is_refused(tmp_path: Path) -> None:
    path = _rewrite(tmp_path / "model.pt2", lambda members: None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(GRAPH, b"{}")
    with pytest.raises(BundleError, match="two members have the same name"):
        check_exported_program(path, "torch/model.pt2")


def _with_two_directories(good: bytes, bad: bytes) -> bytes:
    """Return an archive in which Python's reader finds the members of the one, and torch's those of the other.

    Python's takes the directory that ends where the file's end record begins, torch's the one at the place which that names.
    """
    (size, good_place), bad_place = struct.unpack("<II", good[-10:-2]), struct.unpack("<I", bad[-6:-2])[0]
    directory, at = bytearray(good[good_place : good_place + size]), 0
    while at < len(directory):
        lengths, place = struct.unpack_from("<HHH", directory, at + 28), struct.unpack_from("<I", directory, at + 42)[0]
        # Python adds to each place by how much the directory is later than the end record says.
        struct.pack_into("<I", directory, at + 42, place + bad_place - good_place)
        at += 46 + sum(lengths)
    end = good[-22:-6] + struct.pack("<I", bad_place) + good[-2:]
    return bad[: bad_place + size] + good[:good_place] + bytes(directory) + end


def test_torch_gets_what_was_checked_and_not_the_file(tmp_path: Path) -> None:
    def longer(members: dict[str, bytes]) -> None:
        _expression(members)
        members[GRAPH] += b" " * 1000

    good, bad = _rewrite(tmp_path / "good.pt2", lambda _: None), _rewrite(tmp_path / "bad.pt2", longer)
    both = tmp_path / "both.pt2"
    both.write_bytes(_with_two_directories(good.read_bytes(), bad.read_bytes()))
    assert SHELL.encode() in torch._C.PyTorchFileReader(str(both)).get_record("models/model.json")
    assert _members(both) == _members(good)
    anew = read_exported_program(both, "torch/model.pt2")
    assert SHELL.encode() not in anew.getvalue()
    assert torch.export.load(anew).module() is not None


def test_documents_are_written_anew(tmp_path: Path) -> None:
    """Of two values of one key, torch gets the one that was checked."""

    def twice(members: dict[str, bytes]) -> None:
        members[GRAPH] = members[GRAPH].replace(b'"guards_code": []', b'"guards_code": ["exit()"], "guards_code": []')
        assert b"exit()" in members[GRAPH]

    anew = _members(Path(shutil.copy(_rewrite(tmp_path / "model.pt2", twice), tmp_path / "copy.pt2")))
    assert b"exit()" in anew[GRAPH]
    (tmp_path / "anew.pt2").write_bytes(read_exported_program(tmp_path / "model.pt2", "x").getvalue())
    assert b"exit()" not in _members(tmp_path / "anew.pt2")[GRAPH]


def test_sizes_are_bounded_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a member was read")

    members = _members(tiny_bundle() / "torch/model.pt2")
    bomb = _write(tmp_path / "bomb.pt2", members | {GRAPH: b" " * 10**6}, zipfile.ZIP_DEFLATED)
    large = _write(tmp_path / "large.pt2", members | {"model/archive_version": b"0" * 100})
    folded = tmp_path / "folded.pt2"
    with zipfile.ZipFile(tiny_bundle() / "torch/model.pt2") as source, zipfile.ZipFile(folded, "w") as archive:
        for member in source.infolist():
            archive.writestr(member.filename, source.read(member))
        # Entries of the directory for one and the same part of the file.
        heaviest = max(archive.filelist, key=lambda member: member.file_size)
        for number in range(500, 600):
            again = zipfile.ZipInfo(f"model/data/weights/weight_{number}")
            for name in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(again, name, getattr(heaviest, name))
            archive.filelist.append(again)
    monkeypatch.setattr(zipfile.ZipFile, "read", refuse)
    for path, told in ((bomb, "is compressed"), (large, "more than the export writes"), (folded, "larger than the file")):
        with pytest.raises(BundleError, match=told):
            check_exported_program(path, "torch/model.pt2")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", pickle.dumps({})])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(content)
    with pytest.raises(BundleError, match="not an exported program"):
        check_exported_program(path, "torch/model.pt2")


def test_what_torch_saves_by_itself_is_refused_and_what_the_export_saves_is_not(tmp_path: Path) -> None:
    network, example = torch.nn.Linear(2, 2), torch.ones(2, 2)
    torch.export.save(torch.export.export(network, (example,)), tmp_path / "plain.pt2")
    with pytest.raises(BundleError, match="not a kind of member that this project exports"):
        check_exported_program(tmp_path / "plain.pt2", "plain.pt2")
    save_program(trace(network, example), tmp_path / "ours.pt2")
    check_exported_program(tmp_path / "ours.pt2", "ours.pt2")
    loaded = torch.export.load(read_exported_program(tmp_path / "ours.pt2", "ours.pt2")).module()
    np.testing.assert_allclose(loaded(example).detach(), network(example).detach())
