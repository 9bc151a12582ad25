"""A training that is killed or stopped anywhere ends with the weights of one that was never interrupted, bit for bit."""

import multiprocessing
import os
import pkgutil
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.loop.projects import ENVIRONMENT, photo_project, tensors
from training.cli import main
from training.loop import checkpoints
from training.run import Run

_EPOCHS = 5
# Children of a server that has imported torch already start at once.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["training.commands.train", "training.loop"])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photo_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def uninterrupted(project: Path) -> Run:
    run = Run(project.parent / "uninterrupted")
    assert _train(project, run) == 0
    return run


def test_killed_at_random_steps(project: Path, uninterrupted: Run, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    kills = random.Random(seed)  # noqa: S311
    run = Run(tmp_path / "run")
    for _ in range(4):
        assert _train(project, run, "training.loop.learner:Learner", "learn", kills.randrange(1, 14)) in (-signal.SIGKILL, 0)
    assert _train(project, run) == 0
    _same(run, uninterrupted)


def test_killed_while_a_checkpoint_is_written(project: Path, uninterrupted: Run, tmp_path: Path) -> None:
    # Four of these make a checkpoint, and two the best weights: before a file's bytes are on the disk, and before its name is.
    run = Run(tmp_path / "run")
    for call in (2, 5, 10, 12):
        assert _train(project, run, "training.loop.checkpoints", "_sync", call) == -signal.SIGKILL
    assert _train(project, run) == 0
    _same(run, uninterrupted)
    assert not list(run.checkpoints.glob(".*"))


def test_sigterm_stops_between_two_steps_and_the_same_command_goes_on(
    project: Path, uninterrupted: Run, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    command = [sys.executable, "-m", "training", "train", str(project), "--output", str(run.root)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    while not checkpoints.positions(run.checkpoints) and process.poll() is None:
        time.sleep(0.01)
    process.terminate()
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 75, errors
    stopped = checkpoints.positions(run.checkpoints)[0]
    assert stopped.batch >= 1
    assert f"interrupted by SIGTERM at epoch {stopped.epoch}, step {stopped.batch}" in errors
    assert run.lineage().status == "training"

    again = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert f"going on at epoch {stopped.epoch}, step {stopped.batch + 1}" in again.stderr
    _same(run, uninterrupted)


def test_damaged_checkpoints_cost_epochs_and_nothing_else(project: Path, uninterrupted: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    assert _train(project, run, "training.loop.learner:Learner", "learn", 25) == -signal.SIGKILL
    last, before = checkpoints.positions(run.checkpoints)[:2]
    damaged = run.checkpoints / last.files[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (run.checkpoints / before.files[1]).write_text("{")
    assert _train(project, run) == 0
    _same(run, uninterrupted)


def _same(run: Run, other: Run) -> None:
    assert run.finished().best_epoch == other.finished().best_epoch
    assert tensors(run.weights) == tensors(other.weights)
    last = checkpoints.positions(run.checkpoints)[0]
    assert last == (_EPOCHS + 1, 0)
    assert tensors(run.checkpoints / last.files[0]) == tensors(other.checkpoints / last.files[0])

    assert len(run.history_file.read_text().splitlines()) == _EPOCHS


def _train(project: Path, run: Run, owner: str = "", function: str = "", call: int = 0) -> int | None:
    """Train in a process of its own that is killed at some call of a function; returns its exit status."""
    process = _PROCESSES.Process(target=_child, args=(project, run.root, owner, function, call))
    process.start()
    process.join()
    return process.exitcode


def _child(project: Path, root: Path, owner: str, function: str, call: int) -> None:
    torch.set_num_threads(1)
    if owner:
        place = pkgutil.resolve_name(owner)
        setattr(place, function, _killing(getattr(place, function), call))
    main(["train", str(project), "--output", str(root), "--quiet"])


def _killing(function: Callable[..., Any], call: int) -> Callable[..., Any]:
    calls = 0

    def wrapped(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)

    return wrapped
