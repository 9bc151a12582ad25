"""The running rehearsal, and an Iris model to release to it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
KEY = ROOT / ".localcloud/model/signing-key.pem"


@pytest.fixture(scope="session", autouse=True)
def rehearsal() -> None:
    """Point every client at the local cloud of this clone."""
    listing = ROOT / ".localcloud/env"
    if not listing.exists():
        pytest.fail("no rehearsal is running in this clone; `make test-all` starts one for these tests")
    output = subprocess.check_output(["bash", "-c", f". {listing} && env -0"], text=True)
    os.environ.update(line.split("=", 1) for line in output.split("\0") if line)


def python(*arguments: str) -> str:
    """Run a module of this project; return what it printed."""
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stderr}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished and evaluated run of Iris, or the one that PETTRACKER_RUN names, such as one from a training host."""
    given = os.environ.get("PETTRACKER_RUN")
    directory = Path(given) if given else tmp_path_factory.mktemp("run") / "iris"
    if not given:
        python("training", "train", "iris", "--output", str(directory), "--quiet")
    python("training", "evaluate", str(directory))
    return directory


@pytest.fixture(scope="session")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's bundle, signed with the rehearsal's key."""
    directory = tmp_path_factory.mktemp("bundle") / "iris"
    python("training", "export", str(run), "--version", "1.0.0", "--output", str(directory))
    python("bundle", "sign", str(directory), "--private-key", str(KEY))
    return directory


@pytest.fixture(scope="session")
def digest(bundle: Path) -> str:
    verified = python("bundle", "verify", str(bundle), "--json")
    found: str = json.loads(verified)["digest"]
    return found
