"""docs/release-a-model.md does what it says: its Iris commands run in order and print what the page shows."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.docs.pages import blocks, matches

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/release-a-model.md"
OWN_NAME = "tests/docs/test_release_a_model.py"  # with which the page marks what runs here
BUCKETS = ("pettracker-local-123456789012-datasets", "pettracker-local-123456789012-models")


@pytest.fixture
def account() -> Iterator[dict[str, str]]:
    """The environment of an emulated account with the page's buckets."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        s3 = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        for bucket in BUCKETS:
            s3.create_bucket(Bucket=bucket)
        yield environment
    finally:
        server.stop()


def free_port() -> str:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


def test_iris_goes_from_a_csv_file_to_a_promoted_version(account: dict[str, str], tmp_path: Path) -> None:
    found = blocks(PAGE)
    port = free_port()
    script = ["set -euo pipefail"]
    shown: dict[int, str] = {}
    for number, block in enumerate(found):
        if OWN_NAME in block.run_by:
            # Braces, not a subshell: what a block exports or starts is there in the next.
            script.append(f"{{\n{block.text.replace('8090', port)}}} >{number}.out 2>&1")
            follower = found[number + 1] if number + 1 < len(found) else None
            if follower is not None and follower.info == ["console"]:
                shown[number] = follower.text
    assert len(shown) >= 8
    environment = (
        os.environ | account | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    )
    script.insert(1, "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT")
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    printed = {number: (tmp_path / f"{number}.out") for number in shown}
    last = max((path for path in printed.values() if path.exists()), key=lambda path: path.stat().st_mtime)
    assert done.returncode == 0, f"{done.stderr}\n{last.name}:\n{last.read_text()}"
    for number, expected in shown.items():
        said = printed[number].read_text()
        assert matches(expected, said), f"the page shows\n{expected}\nbut\n{found[number].text}\nprinted\n{said}"
    assert "class_id" in (tmp_path / next(f"{n}.out" for n, text in shown.items() if "class_id" in text)).read_text()


def test_files_that_the_page_names_exist() -> None:
    for name in re.findall(r"`((?:training|playbooks|inventories|scripts|docs|\.github)/[\w./-]+)`", PAGE.read_text()):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        ("a … c\n", "a b c\n", True),
        ("a … c\n", "a b d\n", False),
        ("…\nlast\n", "one\ntwo\nlast\n", True),
        ("first\n…\n", "first\n", True),
        ("first\n", "first\nsecond\n", False),
    ],
)
def test_what_a_page_shows_is_compared_line_by_line(shown: str, printed: str, fits: bool) -> None:
    assert matches(shown, printed) is fits
