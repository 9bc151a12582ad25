"""The golden check of a running server."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bundle import load, seal
from bundle.golden import GoldenSet
from inference.cli import main
from tests.bundles import copy_of_tiny, tiny_bundle
from tests.inference.servers import Running, serving


def test_a_server_agrees_with_its_own_bundle(server: Running, torch_server: Running) -> None:
    for running in (server, torch_server):
        result = CliRunner().invoke(main, ["check", "--url", running.url, "--bundle", str(tiny_bundle())])
        assert result.exit_code == 0, result.output
        assert "agrees   cat.jpg" in result.stdout


def test_a_server_of_another_bundle_is_found_out_even_if_it_answers_alike(server: Running, tmp_path: Path) -> None:
    root = copy_of_tiny(tmp_path)
    manifest = load(tiny_bundle()).manifest.model_dump(exclude={"files"})
    seal(root, {**manifest, "version": "0.1.1"})
    result = CliRunner().invoke(main, ["check", "--url", server.url, "--bundle", str(root)])
    assert result.exit_code == 1
    assert "differs  model digest" in result.stdout
    assert "agrees   cat.jpg" in result.stdout


def test_a_server_that_answers_wrongly_is_found_out(tmp_path: Path) -> None:
    root = copy_of_tiny(tmp_path)
    answers = root / "golden/answers.json"
    golden = GoldenSet.read(answers)
    wrong = golden.cases[0].top[0].model_copy(update={"confidence": 0.01})
    case = golden.cases[0].model_copy(update={"top": [wrong, *golden.cases[0].top[1:]]})
    answers.write_text(golden.model_copy(update={"cases": [case, *golden.cases[1:]]}).model_dump_json())
    seal(root, load(tiny_bundle()).manifest.model_dump(exclude={"files"}))
    with serving(root) as running:
        result = CliRunner().invoke(main, ["check", "--url", running.url, "--bundle", str(root)])
    assert result.exit_code == 1
    assert f"differs  {golden.cases[0].input}" in result.stdout
    assert "expected 0.0100" in result.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://127.0.0.1:9/"])
def test_no_server_is_a_reason_not_a_traceback(url: str) -> None:
    result = CliRunner().invoke(main, ["check", "--url", url, "--bundle", str(tiny_bundle())])
    assert result.exit_code == 1
    assert "no usable answer" in result.stderr


def test_other_schemes_are_refused() -> None:
    result = CliRunner().invoke(main, ["check", "--url", "file:///etc/passwd", "--bundle", str(tiny_bundle())])
    assert result.exit_code == 2
