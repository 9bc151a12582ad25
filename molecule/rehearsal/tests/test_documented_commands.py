"""What README.md and docs/*.md tell people to type works on the running rehearsal, in the order of the pages.

A page marks what is executed elsewhere, or nowhere: see tests/docs/pages.py.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rehearsal import ROOT

sys.path.insert(0, str(ROOT))

from tests.docs.pages import Block, needs_clone, script, shell_blocks

EXECUTED = [block for block in shell_blocks() if not block.run_by and not block.untested]


@pytest.fixture
def stand_ins(tmp_path: Path, healthy_targets: Callable[[], set[str]]) -> dict[str, str]:
    """What a reader puts in the place of the pages' names."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    return {
        "staging": "local",
        "i-0123456789abcdef0": min(healthy_targets()),
        "8090": str(port),
        "/tmp/": f"{tmp_path}/",  # noqa: S108 - a directory of this test's own
    }


@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", EXECUTED, ids=lambda block: block.name)
def test_the_commands_of_a_page_work(block: Block, stand_ins: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "path/to").mkdir(parents=True)
    shutil.copytree(ROOT / ".localcloud/model/bundle", tmp_path / "path/to/bundle")
    # make that runs the tests would pass its own options on.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment |= {"PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", script(block, stand_ins)],
        cwd=ROOT if needs_clone(block) else tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, f"{block.name}\n{done.stdout[-6000:]}"
