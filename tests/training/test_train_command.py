"""`python -m training train`, as a person uses it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from tests.training.loop.projects import ENVIRONMENT, photo_project
from training.cli import main
from training.data import load_data
from training.networks import build
from training.run import Run


def _train(config: str | Path, output: Path, *more: str) -> Result:
    return CliRunner().invoke(main, ["train", str(config), "--output", str(output), *more])


def test_irises_it_has_not_seen_are_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "training", "train", "iris", "--output", str(tmp_path / "run")]
    done = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    run = Run(tmp_path / "run")
    lineage = run.finished()
    assert done.stdout.split() == [lineage.run_id]
    data = load_data(run.config())
    assert (lineage.data_digest, lineage.classes, lineage.feature_names) == (data.digest, data.classes, data.feature_names)
    module = build(run.config(), 3, 4).module.eval()
    module.load_state_dict(load_file(run.weights))
    rows = np.stack([data.test.raw(index) for index in range(len(data.test))])
    with torch.inference_mode():
        answers = module(torch.from_numpy(((rows - lineage.mean) / lineage.std).astype(np.float32))).argmax(dim=1)
    assert (answers.numpy() == data.test.labels).mean() >= 0.95
    assert done.stderr.splitlines()[-1].startswith(f"done in {lineage.seconds:,.0f} s: epoch {lineage.best_epoch} is")


def test_a_run_that_is_done_is_left_as_it_is(tmp_path: Path) -> None:
    first = _train("iris", tmp_path, "--set", "training.epochs=2")
    before = Run(tmp_path).lineage()
    again = _train("iris", tmp_path, "--set", "training.epochs=2")
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert "is done already" in again.stderr
    assert Run(tmp_path).lineage() == before


def test_another_configuration_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    assert _train("iris", tmp_path, "--set", "training.epochs=2").exit_code == 0
    result = _train("iris", tmp_path, "--set", "training.epochs=3", "--set", "network.hidden=8")
    assert result.exit_code == 1
    assert (
        "Error: this run was started otherwise: network.hidden was 16 and is 8; training.epochs was 2 and is 3. "
        "Choose another --output" in result.stderr
    )


def test_other_data_are_refused_and_other_workers_are_not(tmp_path: Path) -> None:
    project = photo_project(tmp_path, epochs=1)
    run = tmp_path / "run"
    assert _train(project, run).exit_code == 0
    # As if it had not been finished: the checkpoint decides.
    (run / "run.json").unlink()
    moved = tmp_path / "moved"
    (tmp_path / "photos").rename(moved)
    again = _train(project, run, "--data", str(moved), "--set", "training.workers=1", "--set", f"data.path={moved}")
    assert again.exit_code == 0, again.output
    (run / "run.json").unlink()
    (moved / "red" / "0.png").unlink()
    result = _train(project, run, "--data", str(moved), "--set", f"data.path={moved}")
    assert result.exit_code == 1
    assert "this run was started otherwise: the data were sha256:" in result.stderr


def test_early_stopping_keeps_the_best_epoch(tmp_path: Path) -> None:
    # Without a lower loss by a thousand there is nothing to wait for.
    stopping = "training.early_stopping={patience: 2, min_delta: 1000}"
    assert _train("iris", tmp_path, "--set", stopping).exit_code == 0
    run = Run(tmp_path)
    assert len(run.history_file.read_text().splitlines()) == 3
    assert run.finished().best_epoch in (1, 2, 3)


def test_weights_of_others_execute_nothing(tmp_path: Path) -> None:
    harm = tmp_path / "harm"
    torch.save({"weights": _Malicious(harm)}, tmp_path / "weights.pth")
    project = photo_project(tmp_path)
    result = _train(
        project, tmp_path / "run", "--set", "network.pretrained=true", "--set", f"network.weights={harm.parent}/weights.pth"
    )
    assert result.exit_code == 1
    assert f"network.weights: {tmp_path / 'weights.pth'} is no safetensors file" in result.stderr
    assert not harm.exists()


class _Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nothing"], 1, "packaged configurations: fashion, iris, pets"),
        (["iris", "--set", "training.epochs"], 2, "write KEY=VALUE, such as training.epochs=2"),
        (["iris", "--set", "training.epochs=0"], 1, "training.epochs: Input should be greater than 0"),
        (["iris", "--set", "training.speed=9"], 1, "training.speed: Extra inputs are not permitted"),
        (["iris", "--data", "/nowhere.csv"], 1, "/nowhere.csv cannot be read"),
        (["iris", "--checkpoints", "/tmp/here"], 1, "write s3://bucket/prefix"),
        (["iris", "--metrics", "statsd"], 2, "'none', 'cloudwatch'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, arguments: list[str], status: int, message: str) -> None:
    result = _train(arguments[0], tmp_path / "run", *arguments[1:])
    assert result.exit_code == status
    assert message in result.stderr
    assert status == 2 or len(result.stderr.strip().splitlines()) <= 2
    assert "Traceback" not in result.stderr


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = _train("iris", tmp_path / "file" / "run")
    assert result.exit_code == 1
    assert f"the run cannot be written: [Errno 20] Not a directory: '{tmp_path}/file/run'" in result.stderr


def test_help_needs_no_torch() -> None:
    code = "import sys; from training.cli import main; main(['train', '--help'], standalone_mode=False); "
    code += "assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "75 interrupted" in done.stdout
