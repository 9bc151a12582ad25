"""A Spot notice is heard, and nothing else is taken for one."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.training.loop.metadata import NOTICE, metadata
from training.cli import main
from training.loop import checkpoints
from training.loop.interruption import Interruption, spot_notice
from training.run import Run


def test_without_a_notice_there_is_none() -> None:
    with metadata(None) as (url, _):
        assert spot_notice(url) is None


def test_training_stops_with_a_checkpoint_and_goes_on_later(tmp_path: Path) -> None:
    arguments = ["train", "iris", "--output", str(tmp_path), "--set", "training.epochs=500"]
    with metadata(NOTICE) as (url, _):
        result = CliRunner().invoke(main, [*arguments, "--spot-notices", url])
    assert result.exit_code == 75, result.output
    assert "interrupted by a Spot notice" in result.stderr
    assert "terminate" in result.stderr
    stopped = checkpoints.positions(Run(tmp_path).checkpoints)[0]
    assert stopped < (500, 0)


def test_a_service_that_does_not_answer_is_named_once_and_asked_again() -> None:
    warnings: list[str] = []
    with metadata(None) as (url, _):
        pass
    interruption = Interruption()
    with interruption.watched(url, warnings.append, interval=0.01):
        time.sleep(0.3)
    assert len(warnings) == 1
    assert f"no Spot notices: {url} does not answer" in warnings[0]
    assert interruption.reason is None


def test_a_notice_that_comes_later_is_heard() -> None:
    interruption = Interruption()
    with metadata(None) as (url, handler), interruption.watched(url, pytest.fail, interval=0.01):
        while handler.asked < 3:
            time.sleep(0.01)
        assert interruption.reason is None
        handler.notice = NOTICE
        until = time.monotonic() + 10
        while interruption.reason is None and time.monotonic() < until:
            time.sleep(0.01)
    assert interruption.reason == f"a Spot notice ({NOTICE})"
