"""Checks that a `.pt2` archive can be loaded without running anything that it brings along.

`torch.export.load` of torch 2.13 is not safe by itself, however the archive was made:
- it reads `data/sample_inputs/*.pt` with `torch.load`, and falls back to `weights_only=False` (arbitrary pickle)
  when the safe mode refuses it (`torch/_export/serde/serialize.py`, `deserialize_torch_artifact`);
- weights and constants marked `use_pickle` are unpickled (`torch/export/pt2_archive/_package.py`);
- every `expr_str` of the graph goes through `sympy.sympify`, which evaluates it as Python.

An archive passes here only if it has none of these: sample inputs are empty, nothing is marked or stored as a pickle,
every expression is a bare symbol or an integer, there are no guards, and every operator is one of ATen's.
"""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bundle.errors import BundleError

_MEMBER = re.compile(
    r"[^/]+/(\.data/(version|serialization_id)|byteorder|archive_format|archive_version"
    r"|models/[^/]+\.json|data/sample_inputs/[^/]+\.pt|data/weights/(weight_\d+|[^/]+_weights_config\.json)"
    r"|data/constants/(tensor_\d+|[^/]+_constants_config\.json))"
)
_EXPRESSION = re.compile(r"-?\d+|\w+|Symbol\('\w+'(, (positive|nonnegative|integer)=True)*\)")
_OPERATOR = re.compile(r"torch\.ops\.aten\.\w+\.\w+")


def check_exported_program(path: Path, name: str) -> None:
    """Refuse a `.pt2` archive that could run code when it is loaded.

    Args:
        path: the archive.
        name: how to call it in messages.

    Raises:
        BundleError: naming the archive and the member that is at fault.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if len(set(archive.namelist())) != len(archive.namelist()):
                raise BundleError(name, "refused: two members have the same name")
            for member in archive.infolist():
                problem = _problem(archive, member)
                if problem:
                    raise BundleError(name, f"refused: {member.filename} {problem}")
    except (zipfile.BadZipFile, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BundleError(name, f"not an exported program: {error}") from None


def _problem(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str | None:
    if not _MEMBER.fullmatch(member.filename):
        return "is not a kind of member that this project exports"
    if "/data/sample_inputs/" in member.filename:
        return "holds pickled sample inputs" if member.file_size else None
    if member.filename.endswith("_config.json"):
        return _payload_problem(json.loads(archive.read(member)))
    if member.filename.endswith(".json"):
        return _graph_problem(json.loads(archive.read(member)))
    return None


def _payload_problem(config: Any) -> str | None:
    for entry in _objects(config):
        if entry.get("use_pickle"):
            return f"marks {entry.get('path_name')} as a pickle"
    return None


def _graph_problem(graph: Any) -> str | None:
    for entry in _objects(graph):
        if entry.get("guards_code"):
            return "carries guard code"
        expression = entry.get("expr_str")
        if expression is not None and not _EXPRESSION.fullmatch(str(expression)):
            return f"carries the expression {str(expression)[:60]!r}"
        target = entry.get("target")
        if isinstance(target, str) and "inputs" in entry and not _OPERATOR.fullmatch(target):
            return f"calls {target[:60]!r}"
    return None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every JSON object in a document, whatever its depth."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
