"""The API's addresses: several at once, also one that no interface has yet."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud.access.keys import Keys
from localcloud.api import ApiServer
from localcloud.errors import LocalCloudError
from localcloud.settings import Settings
from tests.localcloud.conftest import Cloud


def test_a_gateway_address_is_served_before_its_bridge_exists(cloud: Cloud) -> None:
    api = ApiServer(Settings(root=Path("/nonexistent"), api_port=0), lambda *_: [], Keys())
    try:
        port = api.listen("192.0.2.1")
        assert port > 0
        assert api.listen("192.0.2.1") == port
    finally:
        api.close()


def test_a_taken_port_is_named(cloud: Cloud) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        api = ApiServer(Settings(root=Path("/nonexistent"), api_port=port), lambda *_: [], Keys())
        with pytest.raises(LocalCloudError, match=f"127.0.0.1:{port}"):
            api.listen("127.0.0.1")


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS command line is not installed")
def test_the_aws_command_line_sees_the_account(cloud: Cloud) -> None:
    done = subprocess.run(
        ["aws", "--endpoint-url", cloud.url, "sts", "get-caller-identity", "--query", "Account", "--output", "text"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": str(Path(sys.executable).parent), **cloud.key.environment, "AWS_DEFAULT_REGION": "us-east-1"},
    )
    assert done.stdout.strip() == "123456789012"
