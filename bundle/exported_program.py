"""Checks that a `.pt2` archive holds what this project's export writes, and nothing that torch could run when it loads it.

`torch.export.load` of torch 2.13 is not safe by itself, however the archive was made:
- it reads `data/sample_inputs/*.pt` with `torch.load`, and falls back to `weights_only=False` (arbitrary pickle)
  when the safe mode refuses it (`torch/_export/serde/serialize.py`, `deserialize_torch_artifact`);
- weights and constants marked `use_pickle` are unpickled (`torch/export/pt2_archive/_package.py`);
- every `expr_str` of the graph goes through `sympy.sympify`, which evaluates it as Python;
- the context of a tree of arguments may name a module, which is imported (`torch/utils/_pytree.py`, `enum_object_hook`);
- names of inputs become source text, which is compiled (`torch/fx/graph.py`);
- operators are looked up in all of torch, and `aten` has some that open files (`from_file`);
- it reads the zip with a reader of its own (miniz), which may see other members than Python's does.

So torch never gets the archive as it came. Its members have to be those that the export writes, uncompressed; its documents
have to be what `bundle.exported_graph` and `bundle.exported_payload` describe; and torch gets a new archive, written from what
was checked.

This keeps code out of a program. It is no sandbox: a program that computes for hours, or fills the memory, is not refused. Who
made a bundle is what its signature tells.
"""

import json
import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from pydantic import ValidationError

from bundle.errors import BundleError
from bundle.exported_graph import ExportedGraph
from bundle.exported_payload import PayloadConfig

_GRAPH = "model/models/model.json"
_SAMPLES = "model/data/sample_inputs/model.pt"
_WEIGHTS = "model/data/weights/model_weights_config.json"
_CONSTANTS = "model/data/constants/model_constants_config.json"
_DATA = re.compile(r"(model/data/weights/)weight_\d{1,6}|(model/data/constants/)tensor_\d{1,6}")
# What the format says of itself.
_MARKS = {
    "model/.data/serialization_id": re.compile(rb"\d{1,64}"),
    "model/.data/version": re.compile(rb"\d{1,4}\n?"),
    "model/archive_format": re.compile(rb"pt2"),
    "model/archive_version": re.compile(rb"\d{1,4}"),
    "model/byteorder": re.compile(rb"little"),
}
# The largest graph of torchvision's classifiers has some 2 MB.
_MAX_DOCUMENT = 64 * 1024**2
_MAX_BYTES = {**dict.fromkeys((_GRAPH, _WEIGHTS, _CONSTANTS), _MAX_DOCUMENT), **dict.fromkeys(_MARKS, 64), _SAMPLES: 0}
_NAMED = 3


def check_exported_program(path: Path, name: str) -> None:
    """Refuse a `.pt2` archive that holds anything else than what this project exports. No weights are read.

    Args:
        path: the archive.
        name: how to call it in messages.

    Raises:
        BundleError: naming the archive and the member that is at fault.
    """
    with _opened(path, name) as archive:
        _checked(archive, name, path.stat().st_size)


def read_exported_program(path: Path, name: str) -> BytesIO:
    """Return a checked `.pt2` archive, written anew from what was checked: this, and not the file, is for torch to load.

    Args:
        path: the archive.
        name: how to call it in messages.

    Raises:
        BundleError: as `check_exported_program`.
    """
    buffer = BytesIO()
    with _opened(path, name) as archive, zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as anew:
        checked = _checked(archive, name, path.stat().st_size)
        for member in archive.namelist():
            anew.writestr(member, checked[member] if member in checked else archive.read(member))
    buffer.seek(0)
    return buffer


@contextmanager
def _opened(path: Path, name: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    # Whatever Python's reader makes of a damaged file; RuntimeError: a member is encrypted.
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, ValueError, struct.error) as error:
        raise BundleError(name, f"not an exported program: {error}") from None


def _checked(archive: zipfile.ZipFile, name: str, size: int) -> dict[str, bytes]:
    """Return the members that are no weights: documents as they were understood, marks as they are. Raises BundleError."""
    members = archive.infolist()
    problem = _problem_of_members(members, size)
    if problem:
        raise BundleError(name, f"refused: {problem}")
    found = {mark: archive.read(mark) for mark in _MARKS}
    for mark, pattern in _MARKS.items():
        if not pattern.fullmatch(found[mark]):
            raise BundleError(name, f"refused: {mark} is not what this project exports")
    document = _GRAPH
    try:
        found[_GRAPH] = _bytes_of(ExportedGraph.model_validate_json(archive.read(_GRAPH)))
        for document in (_WEIGHTS, _CONSTANTS):
            config = PayloadConfig.model_validate_json(archive.read(document))
            config.check_files(_files_beside(document, members))
            found[document] = _bytes_of(config)
    except ValidationError as error:
        raise BundleError(name, f"refused: {document} {_described(error)}") from None
    except ValueError as error:
        raise BundleError(name, f"refused: {document}: {error}") from None
    return found


def _problem_of_members(members: list[zipfile.ZipInfo], size: int) -> str:
    """Return what is wrong with the names and sizes of members, of which nothing was read yet; "" if nothing."""
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        return "two members have the same name"
    problem = next(filter(None, (_problem_of_member(member, size) for member in members)), "")
    missing = sorted(_MAX_BYTES.keys() - set(names))
    if problem or missing:
        return problem or f"{missing[0]} is missing"
    # Several members can be one and the same part of the file.
    return "its members are larger than the file" if sum(member.file_size for member in members) > size else ""


def _problem_of_member(member: zipfile.ZipInfo, size: int) -> str:
    name = member.filename
    if name not in _MAX_BYTES and not _DATA.fullmatch(name):
        return f"{name[:200]} is not a kind of member that this project exports"
    if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
        return f"{name} is compressed, which this project's export does not do"
    if name == _SAMPLES and member.file_size:
        return f"{name} holds pickled sample inputs"
    if member.file_size > _MAX_BYTES.get(name, size):
        return f"{name} has {member.file_size} bytes, more than the export writes"
    return ""


def _files_beside(document: str, members: list[zipfile.ZipInfo]) -> dict[str, int]:
    """Return the bytes of the files of tensors that a document describes."""
    folder = document.rpartition("/")[0]
    return {
        file: member.file_size
        for member in members
        for parent, _, file in [member.filename.rpartition("/")]
        if parent == folder and _DATA.fullmatch(member.filename)
    }


def _bytes_of(document: ExportedGraph | PayloadConfig) -> bytes:
    return json.dumps(document.model_dump(exclude_unset=True)).encode()


def _described(error: ValidationError) -> str:
    """Return the first problems. What a graph has besides its nodes is said by where it is."""
    problems = []
    for each in error.errors(include_url=False, include_context=False, include_input=False)[:_NAMED]:
        where = ".".join(str(part) for part in each["loc"])
        problems.append(f"{each['msg'].removeprefix('Value error, ')} ({where})")
    return "; ".join(problems)
