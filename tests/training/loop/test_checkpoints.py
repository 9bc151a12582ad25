"""A checkpoint is whole or is none, wherever it lies, and reading one executes nothing."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from training.loop import checkpoints
from training.loop.checkpoints import Checkpoint, CorruptCheckpointError, Position
from training.loop.remote import newest

_STATE = {"number": 0.1, "text": "ü"}


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    written = _write(tmp_path, Position(3, 17))
    read = checkpoints.read(tmp_path, Position(3, 17))
    assert (read.position, read.state) == (written.position, _STATE)
    assert torch.equal(read.tensors["weights"], written.tensors["weights"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["00003-0000017.json", "00003-0000017.safetensors"]


def test_the_last_ones_are_kept(tmp_path: Path) -> None:
    for position in (Position(2, 0), Position(3, 5), Position(3, 9), Position(12, 0)):
        _write(tmp_path, position)
    (tmp_path / ".00013-0000000.safetensors.part").write_bytes(b"of a process that was killed")
    (tmp_path / "00013-0000000.safetensors").write_bytes(b"the same")
    checkpoints.prune(tmp_path, keep=2)
    assert checkpoints.positions(tmp_path) == [(12, 0), (3, 9)]
    assert len(list(tmp_path.iterdir())) == 4


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def _of_another_format(path: Path) -> None:
    content = {**json.loads(path.read_text()), "format": 99}
    del content["sha256"]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps({**content, "sha256": digest}))


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
@pytest.mark.parametrize("damage", [_flip, _cut, Path.unlink, lambda path: path.write_bytes(b"")])
def test_damage_is_named_and_the_one_before_is_used(tmp_path: Path, suffix: str, damage: Any) -> None:
    _write(tmp_path, Position(2, 0))
    _write(tmp_path, Position(3, 0))
    damage(tmp_path / f"00003-0000000.{suffix}")
    warnings: list[str] = []
    found = newest(tmp_path, None, warnings.append)
    assert found is not None
    assert found.position == (2, 0)
    if suffix == "safetensors" or damage is not Path.unlink:  # without its JSON it is none, and nobody misses it
        assert "00003-0000000" in warnings[0]


def test_where_all_are_damaged_there_is_none(tmp_path: Path) -> None:
    _write(tmp_path, Position(2, 0))
    _cut(tmp_path / "00002-0000000.json")
    assert newest(tmp_path, None, lambda _: None) is None
    assert newest(tmp_path / "nothing", None, lambda _: None) is None


def test_another_format_is_named(tmp_path: Path) -> None:
    _write(tmp_path, Position(2, 0))
    _of_another_format(tmp_path / "00002-0000000.json")
    with pytest.raises(CorruptCheckpointError, match="has format 99; this version reads 1"):
        checkpoints.read(tmp_path, Position(2, 0))


class _Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("torch_format", [False, True])
def test_a_pickle_in_place_of_the_tensors_executes_nothing(tmp_path: Path, torch_format: bool) -> None:
    harm = tmp_path / "harm"
    _write(tmp_path, Position(2, 0))
    tensors, state = (tmp_path / name for name in Position(2, 0).files)
    if torch_format:
        torch.save({"weights": _Malicious(harm)}, tensors)
    else:
        tensors.write_bytes(pickle.dumps(_Malicious(harm)))
    # Whoever may write there writes the right digests as well.
    content = json.loads(state.read_text())
    del content["sha256"]
    content["tensors"] = {"bytes": tensors.stat().st_size, "sha256": checkpoints.sha256_of(tensors)}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    state.write_text(json.dumps({**content, "sha256": digest}))

    with pytest.raises(CorruptCheckpointError, match="is no safetensors file"):
        checkpoints.read(tmp_path, Position(2, 0))
    assert not harm.exists()
    pickle.loads(pickle.dumps(_Malicious(harm)))  # noqa: S301
    assert harm.exists()


def test_weights_replace_weights_at_once(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for value in (1.0, 2.0):
        checkpoints.write_weights(path, {"weights": torch.full((3,), value)})
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def _write(directory: Path, position: Position) -> Checkpoint:
    tensors = {"weights": torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)}
    checkpoint = Checkpoint(position, _STATE, tensors)
    checkpoints.write(directory, checkpoint)
    return checkpoint
