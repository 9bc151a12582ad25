"""Two processes train as one does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.training.loop.projects import ENVIRONMENT
from training.run import Run


def test_two_processes_end_where_one_ends(tmp_path: Path) -> None:
    more = ["--set", "training.epochs=4", "--set", "training.batch_size=15", "--set", "training.class_weights=balanced"]
    alone, together = Run(tmp_path / "alone"), Run(tmp_path / "together")
    train = ["-m", "training", "train", "iris", *more, "--output"]
    subprocess.run([sys.executable, *train, str(alone.root)], env=ENVIRONMENT, check=True, capture_output=True)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, *train, str(together.root)], env=ENVIRONMENT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

    one, two = load_file(alone.weights), load_file(together.weights)
    assert all(np.allclose(two[name], value, rtol=1e-4, atol=1e-5) for name, value in one.items())
    assert one.keys() == two.keys()
    assert together.finished().validation_loss == pytest.approx(alone.finished().validation_loss, rel=1e-4)
    assert len(together.history_file.read_text().splitlines()) == 4
    assert done.stderr.count("epoch 1/4") == 1, "one of them speaks"
    assert done.stdout.split() == [together.finished().run_id]
