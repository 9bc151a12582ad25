"""The commands behind the make targets refuse what cannot work, and say what to do."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def clone(tmp_path):
    """A bare copy of what the scripts need: themselves and an inventory, no running cloud."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "inventories" / "local").mkdir(parents=True)
    return tmp_path


def run(clone, *command, **environment):
    return subprocess.run(command, cwd=clone, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_an_unknown_environment_is_refused_with_the_known_ones(clone):
    done = run(clone, "scripts/with-environment", "prodution", "true")
    assert done.returncode == 2
    assert "'prodution'" in done.stderr
    assert "local" in done.stderr


def test_the_rehearsal_must_run_before_commands_that_need_it(clone):
    done = run(clone, "scripts/with-environment", "local", "true")
    assert done.returncode == 2
    assert "make rehearse" in done.stderr


def test_commands_for_the_rehearsal_get_its_endpoint(clone):
    (clone / ".localcloud").mkdir()
    (clone / ".localcloud/env").write_text("export AWS_ENDPOINT_URL=http://127.0.0.1:4566\n")
    done = run(clone, "scripts/with-environment", "local", "printenv", "AWS_ENDPOINT_URL")
    assert done.stdout == "http://127.0.0.1:4566\n"


def test_an_old_python_is_refused_by_name(clone, tmp_path):
    old = tmp_path / "bin" / "python3"
    old.parent.mkdir()
    # The first call asks for venv, the second for the version.
    old.write_text('#!/bin/sh\ncase "$2" in *version_info*) exit 1 ;; esac\necho "Python 3.9.2"\n')
    old.chmod(0o755)
    done = run(clone, "scripts/setup", "control", PATH=f"{old.parent}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr


def test_missing_packages_are_named_when_only_root_could_install_them(clone, tmp_path):
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for name, body in {"id": "echo 1000", "dpkg-query": "exit 1"}.items():
        (bin_dir / name).write_text(f"#!/bin/sh\n{body}\n")
        (bin_dir / name).chmod(0o755)
    done = run(clone, "scripts/setup", "control", PATH=f"{bin_dir}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "podman" in done.stderr
    assert "apt-get install" in done.stderr


def test_a_second_rehearsal_at_the_same_time_is_refused(clone):
    (clone / "scripts/setup").write_text("#!/bin/sh\n")
    (clone / ".cache").mkdir()
    with (clone / ".cache/rehearse.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = run(clone, "scripts/rehearse")
    assert done.returncode == 1
    assert "Another rehearsal is running in this clone" in done.stderr
