"""Checkpoints that are whole or not there, and that can execute nothing.

Each is two files: `<epoch>-<batch>.safetensors` with every tensor, and `<epoch>-<batch>.json`, written after it, with
everything else and the digest of both. What has no matching digest is no checkpoint: it is skipped with a warning, and the
one before is used. No pickle is read or written. Checkpoints hold the best weights so far as well, so that one of them is
all that is needed to go on, also on another host.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

Say = Callable[[str], None]
Tensors = dict[str, torch.Tensor]

FORMAT = 1
KEEP = 3
_NAME = re.compile(r"(\d{5})-(\d{7})\.json")


class CorruptCheckpointError(Exception):
    """These files are no checkpoint, or not all of one; the message names them."""


class Position(NamedTuple):
    """Where a training goes on: the epoch, from 1, and how many of its batches are done."""

    epoch: int
    batch: int

    @property
    def files(self) -> tuple[str, str]:
        """Names of the checkpoint's files, in the order in which they are written."""
        name = f"{self.epoch:05}-{self.batch:07}"
        return f"{name}.safetensors", f"{name}.json"


@dataclass(frozen=True)
class Checkpoint:
    """State of a training between two steps.

    Attributes:
        state: everything that is no tensor, as JSON has it.
    """

    position: Position
    state: dict[str, Any]
    tensors: Tensors


def position_of(name: str) -> Position | None:
    """Return the position of the checkpoint that this file completes, None for any other file."""
    found = _NAME.fullmatch(name)
    return Position(int(found[1]), int(found[2])) if found else None


def positions(directory: Path) -> list[Position]:
    """Return the positions of the checkpoints in a directory, the last first. They may be corrupt."""
    names = (path.name for path in directory.glob("*.json"))
    return sorted((position for name in names if (position := position_of(name))), reverse=True)


def write(directory: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; whatever happens meanwhile, the ones before stay. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    tensors, state = (directory / name for name in checkpoint.position.files)
    part = _part(tensors)
    _save(checkpoint.tensors, part)
    content = {
        "format": FORMAT,
        "position": list(checkpoint.position),
        "tensors": {"bytes": part.stat().st_size, "sha256": sha256_of(part)},
        "state": checkpoint.state,
    }
    _put(part, tensors)
    part = _part(state)
    part.write_text(json.dumps({**content, "sha256": _digest(content)}, indent=1) + "\n")
    _put(part, state)


def read(directory: Path, position: Position) -> Checkpoint:
    """Read a checkpoint and verify every byte of it.

    Raises:
        CorruptCheckpointError: it is not what was written.
    """
    tensors, state = (directory / name for name in position.files)
    content = _content(state)
    try:
        if tensors.stat().st_size != content["tensors"]["bytes"]:
            raise CorruptCheckpointError(f"{tensors} is not all of what was written")
        if sha256_of(tensors) != content["tensors"]["sha256"]:
            raise CorruptCheckpointError(f"{tensors} is not what was written: its sha256 is another")
        return Checkpoint(position, content["state"], load_file(tensors))
    except SafetensorError as error:
        raise CorruptCheckpointError(f"{tensors} is no safetensors file: {error}") from None
    except OSError as error:
        raise CorruptCheckpointError(f"{tensors} cannot be read: {error.strerror}") from None


def remove(directory: Path, position: Position) -> None:
    """Remove a checkpoint. The file that completes it goes first, so that no half looks like a whole one."""
    for name in reversed(position.files):
        (directory / name).unlink(missing_ok=True)


def prune(directory: Path, keep: int = KEEP) -> None:
    """Remove all but the last checkpoints, and what interrupted writes have left."""
    for position in positions(directory)[keep:]:
        remove(directory, position)
    complete = {name for position in positions(directory) for name in position.files}
    for path in [*directory.glob("*.safetensors"), *directory.glob(".*.part")]:
        if path.name not in complete:
            path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content, hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_weights(path: Path, weights: Tensors) -> None:
    """Write weights as safetensors; the file is the old one or the new one, whatever happens meanwhile."""
    part = _part(path)
    _save(weights, part)
    _put(part, path)


def _save(tensors: Tensors, path: Path) -> None:
    # The format has no memory formats: what is channels-last in memory is written in the usual order.
    try:
        save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    except SafetensorError as error:  # a full disk, among others
        raise OSError(f"{path}: {error}") from None
    path.chmod(0o644)  # safetensors lets the owner alone read it


def _content(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        if content.pop("sha256") != _digest(content):
            raise CorruptCheckpointError(f"{path} is not what was written: its sha256 is another")
    except OSError as error:
        raise CorruptCheckpointError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, AttributeError, TypeError):
        raise CorruptCheckpointError(f"{path} is no checkpoint, or not all of one") from None
    if content.get("format") != FORMAT:
        raise CorruptCheckpointError(f"{path} has format {content.get('format')}; this version reads {FORMAT}")
    return content


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _put(part: Path, path: Path) -> None:
    """Give a finished file its name. The bytes reach the disk before the name, and the name before anything later."""
    _sync(part)
    part.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
