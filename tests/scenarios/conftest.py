"""Makes what Molecule scenarios share importable, as their own tests import it, and gives it an account without hosts."""

import os
import sys
from pathlib import Path

import boto3
import pytest

from localcloud import settings as constants
from tests.localcloud.conftest import Cloud, cloud, served_cloud

__all__ = ["cloud", "served_cloud"]

SCENARIOS = Path(__file__).parents[2] / "molecule"
sys.path[:0] = [str(SCENARIOS / "shared"), str(SCENARIOS / "rollout" / "tests")]


@pytest.fixture
def account(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The empty account, which every client of this process talks to."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", constants.REGION)
    for name, value in cloud.key.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return cloud


@pytest.fixture
def ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in place of ansible-playbook; the test writes it."""
    script = tmp_path / "bin" / "ansible-playbook"
    script.parent.mkdir()
    script.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    return script
