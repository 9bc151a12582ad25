"""docs/release-a-model.md does what it says: its Iris commands run in order and print what the page shows."""

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise, takewhile
from pathlib import Path

import boto3
import click
import pytest
import yaml
from moto.server import ThreadedMotoServer

from bundle.cli import main as bundle_cli
from inference.cli import main as inference_cli
from release.cli import main as release_cli
from tests.docs.pages import blocks, commands, matches
from training.cli import main as training_cli

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/release-a-model.md"
CLIS = {"bundle": bundle_cli, "inference": inference_cli, "training": training_cli, "release": release_cli}
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
    found = blocks(PAGE, "Iris, end to end")
    port = free_port()
    script = ["set -euo pipefail"]
    shown: dict[int, str] = {}
    for number, block in enumerate(found):
        if block.info == ["sh"]:
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


def shell_words(text: str) -> list[list[str]]:
    """Return the commands of a block as words, without the lines of here-documents."""
    text = re.sub(r"<<'(\w+)'\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [shlex.split(" ".join(words).split(" #")[0]) for words in commands(text) if "'{" not in " ".join(words)]


def test_every_command_of_the_page_is_known_with_its_options() -> None:
    checked = set()
    for block in blocks(PAGE):
        if block.info[0] != "sh":
            continue
        for words in shell_words(block.text):
            if "-m" in words and words[words.index("-m") + 1] in CLIS:
                package, name, *arguments = words[words.index("-m") + 1 :]
                arguments = list(takewhile(lambda word: word not in ("&", ";", "|") and word[0] != ">", arguments))
                check_arguments(CLIS[package], name, arguments)
                checked.add(f"{package} {name}")
            elif "ansible-playbook" in words:
                check_playbook(words)
                checked.add("ansible-playbook")
            elif words[0].startswith("scripts/"):
                assert (ROOT / words[0]).exists(), words
    assert checked >= {"training train", "training import", "training promote", "bundle sign", "ansible-playbook"}


def check_arguments(cli: click.Command, name: str, arguments: list[str]) -> None:
    """Raises click's error for an unknown option or a missing value; values are not looked at."""
    assert isinstance(cli, click.Group)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, name
    context = click.Context(command)
    _, rest, _ = command.make_parser(context).parse_args(list(arguments))
    assert rest == [], (name, rest)


def check_playbook(words: list[str]) -> None:
    """Assert that a playbook is there, and that a role documents each variable that is given."""
    documented = {
        option
        for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values()
        for option in entry.get("options") or {}
    }
    for before, word in pairwise(words):
        if before == "-e":
            assert word.split("=")[0] in documented, word
        if word.startswith(("playbooks/", "inventories/")):
            assert (ROOT / word).exists(), word


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
