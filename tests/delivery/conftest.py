"""An emulated account that this process and the ones it starts talk to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

from delivery import environment
from tests.bundle.small import write_keys
from tests.delivery.worlds import World, make_world
from tests.localcloud.conftest import cloud, served_cloud

__all__ = ["cloud", "served_cloud"]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an emulated account, which is also in the environment."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield f"http://{host}:{port}"
    finally:
        for service in ("s3", "ssm", "ec2"):
            get_backend(service).reset()
        server.stop()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One key pair for all worlds: their inventories are then the same."""
    return write_keys(tmp_path_factory.mktemp("keys"), "signing")


@pytest.fixture(scope="session")
def said() -> dict[str, dict[str, Any]]:
    """What Ansible said of each inventory, by its content: Ansible takes a second to start."""
    return {}


@pytest.fixture
def world(
    account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[Path, Path], said: dict[str, dict[str, Any]]
) -> World:
    ask = environment._ask_ansible

    def ask_once(root: Path, name: str, number: str) -> dict[str, Any]:
        content = "".join(path.read_text() for path in sorted((root / "inventories" / name / "group_vars/all").iterdir()))
        if content not in said:
            said[content] = ask(root, name, number)
        return said[content]

    monkeypatch.setattr(environment, "_ask_ansible", ask_once)
    for name in ("RELEASE_SIGNING_KEY", "RELEASE_SIGNING_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    return make_world(tmp_path, keys)
