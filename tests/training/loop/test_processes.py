"""Two processes train as one does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file

from tests.training.loop.metadata import NOTICE, metadata
from tests.training.loop.projects import ENVIRONMENT
from training.cli import main
from training.loop import checkpoints
from training.run import Run


def test_two_processes_end_where_one_ends(tmp_path: Path) -> None:
    alone, together = Run(tmp_path / "alone"), Run(tmp_path / "together")
    assert CliRunner().invoke(main, _arguments(alone)).exit_code == 0

    # The first one hears that the host is to be taken away, and both stop.
    with metadata(NOTICE) as (url, _):
        stopped = _torchrun(_arguments(together, "--spot-notices", url))
    assert "interrupted by a Spot notice" in stopped.stderr
    (position, *others) = checkpoints.positions(together.checkpoints)
    assert (stopped.returncode, others, position.epoch) == (1, [], 1)

    done = _torchrun(_arguments(together))

    assert done.returncode == 0, done.stderr
    assert f"going on at epoch 1, step {position.batch + 1}" in done.stderr

    one, two = load_file(alone.weights), load_file(together.weights)
    assert all(np.allclose(two[name], value, rtol=1e-4, atol=1e-5) for name, value in one.items())
    assert one.keys() == two.keys()
    assert together.finished().validation_loss == pytest.approx(alone.finished().validation_loss, rel=1e-4)
    assert len(together.history_file.read_text().splitlines()) == 4
    assert done.stderr.count("epoch 1/4") == 1, "one of them speaks"
    assert done.stdout.split() == [together.finished().run_id]


def _arguments(run: Run, *more: str) -> list[str]:
    settings = {"training.epochs": 4, "training.batch_size": 15, "training.class_weights": "balanced"}
    chosen = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return ["train", "iris", "--output", str(run.root), *chosen, *more]


def _torchrun(arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "training", *arguments]
    return subprocess.run(command, env=ENVIRONMENT, check=False, capture_output=True, text=True)
