"""The bad releases of the scenario `rollout` are bad in the way that their names say, and in no other."""

import asyncio
import runpy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from inference.cli import main
from inference.predict import Predictor
from tests.bundles import CAT, REPOSITORY, tiny_bundle
from tests.inference.servers import Running, start, wait_until
from tests.scenarios.conftest import SCENARIOS

CHANGES = SCENARIOS / "rollout/changes"


def imported() -> str:
    """Return the line by which the playbook lets the serving process import a change."""
    (play,) = yaml.safe_load((SCENARIOS / "rollout/image.yml").read_text())
    (block,) = [task["block"] for task in play["tasks"] if "block" in task]
    (line,) = [task["ansible.builtin.lineinfile"]["line"] for task in block if "ansible.builtin.lineinfile" in task]
    return str(line)


@contextmanager
def changed(name: str, root: Path, **constants: int) -> Iterator[Running]:
    """Serve the tiny model with code to which one change was made, as the playbook makes it; `constants` of it may differ."""
    shutil.copytree(REPOSITORY / "inference", root / "inference", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "inference/changed.py").write_text(
        (CHANGES / f"{name}.py").read_text() + "".join(f"{key} = {value}\n" for key, value in constants.items())
    )
    with (root / "inference/server.py").open("a") as server:
        server.write(imported() + "\n")
    running = start(tiny_bundle(), "--drain-seconds", "0", code=root, PYTHONPATH=str(REPOSITORY))
    try:
        running.wait_for("ready")
        yield running
    finally:
        running.process.terminate()
        running.finish()


def golden_check(url: str) -> Any:
    return CliRunner().invoke(main, ["check", "--url", url, "--bundle", str(tiny_bundle())])


def test_never_ready_is_alive_and_serves_nobody(tmp_path: Path) -> None:
    with changed("never_ready", tmp_path) as running:
        assert running.ask("/health").status == 200
        assert running.ask("/ready").status == 503
        assert running.predict(CAT.read_bytes()).status == 503


def test_wrong_answers_is_ready_and_fails_the_golden_check(tmp_path: Path) -> None:
    with changed("wrong_answers", tmp_path) as running:
        assert running.ask("/ready").status == 200
        assert running.predict(CAT.read_bytes()).status == 200
        checked = golden_check(running.url)
    assert checked.exit_code == 1
    assert "agrees   model digest" in checked.stdout
    assert "differs  cat.jpg" in checked.stdout


def test_slower_answers_right(tmp_path: Path) -> None:
    with changed("slower", tmp_path) as running:
        assert running.ask("/ready").status == 200
        checked = golden_check(running.url)
    assert checked.exit_code == 0, checked.stdout


def test_slower_waits_a_third_of_the_time_that_the_answer_took(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def answer(*_: Any) -> list[dict[str, Any]]:
        return [{"class": "cat"}]

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    clock = iter([100.0, 100.3])
    monkeypatch.setattr(Predictor, "predict", answer)
    change = runpy.run_path(str(CHANGES / "slower.py"))
    monkeypatch.setattr(change["asyncio"], "sleep", sleep)
    monkeypatch.setattr(change["time"], "perf_counter", lambda: next(clock))
    assert asyncio.run(change["_slower"](None, b"")) == [{"class": "cat"}]
    assert waited == [pytest.approx(0.1)]


def test_leaking_serves_until_it_is_killed(tmp_path: Path) -> None:
    with changed("leaking", tmp_path, SECONDS=1, MEGABYTES_A_SECOND=1) as running:
        assert running.predict(CAT.read_bytes()).status == 200
        wait_until(lambda: running.process.poll() is not None)
        assert running.process.returncode == -9
