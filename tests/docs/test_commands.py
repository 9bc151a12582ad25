"""Every command of README.md and docs/*.md is executed by a test, or says why not, and takes what it is given."""

import importlib.util
import os
import re
import shlex
import subprocess
from itertools import pairwise, takewhile
from pathlib import Path

import botocore.session
import click
import pytest
import yaml
from botocore import xform_name

from bundle.cli import main as bundle_cli
from delivery.cli import main as delivery_cli
from delivery.operations import CASES
from inference.cli import main as inference_cli
from localcloud.cli import main as localcloud_cli
from tests.docs.pages import PAGES, ROOT, Block, blocks, commands, mentions, needs_clone, script, shell_blocks, what_is_named
from training.cli import main as training_cli

BLOCKS = shell_blocks()
CLIS = {
    **{"bundle": bundle_cli, "delivery": delivery_cli, "inference": inference_cli, "localcloud": localcloud_cli},
    "training": training_cli,
}
MAKEFILE = (ROOT / "Makefile").read_text()
# Programs of ours and of others: a line of a block that is no command of a person's does not begin with one.
PROGRAMS = r"^\s*(\$ )?(make|python|scripts/|aws|curl|gh|git|gpg|openssl|torchrun|podman|molecule|pytest|ansible)\b"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_block_of_commands_says_who_executes_it(page: Path) -> None:
    for block in blocks(page):
        if block.is_shell:
            assert block.info == ["sh"] or block.run_by or len(block.untested.split()) > 0, block.name
        else:
            assert block.info in ([], ["console"], ["text"], ["yaml"]), f"{block.name}: call it sh"
            assert not re.search(PROGRAMS, block.text, re.MULTILINE), f"{block.name}: call it sh, and say who runs it"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.run_by], ids=lambda block: block.name)
def test_a_test_that_is_said_to_execute_a_command_names_it(block: Block) -> None:
    texts = [(ROOT / name).read_text().replace("$(MAKE)", "make") for name in block.run_by]
    for command in commands(block.text):
        from_the_page = any(f'"{block.page}"' in text and "block.run_by" in text for text in texts)
        names = [what_is_named(command)]
        # What make only hands on to a script is that script.
        names += re.findall(rf"^{names[0].removeprefix('make ')}:.*\n\t@(scripts/\S+)$", MAKEFILE, re.MULTILINE)
        assert from_the_page or any(name in text for name in names for text in texts), f"{block.name}: {command}"


def test_commands_are_counted_by_who_executes_them(capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"on the rehearsal": 0, "by other tests": 0, "nowhere here": 0}
    for block in BLOCKS:
        who = "by other tests" if block.run_by else "nowhere here" if block.untested else "on the rehearsal"
        counts[who] += len(commands(block.text))
    with capsys.disabled():
        print(f"\nCommands of the pages, executed {', '.join(f'{who}: {count}' for who, count in counts.items())}")
    assert counts["on the rehearsal"] + counts["by other tests"] > counts["nowhere here"] > 0


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_each_command_takes_what_it_is_given(block: Block) -> None:
    for command in commands(block.text):
        for simple in re.split(r" && | \|\| |; ", command):
            check(shlex.split(simple.split("$(")[0]) if simple.count("'") % 2 == 0 else simple.split())


def check(words: list[str]) -> None:
    """Assert that a command of this repository, Ansible or AWS is there and knows its arguments, whatever their values."""
    if words[0] == "make":
        check_make(words[1:])
    elif words[:2] == ["python", "-m"] and words[2] in CLIS:
        arguments = list(takewhile(lambda word: word not in ("&", "|") and word[0] != ">", words[4:]))
        check_arguments(CLIS[words[2]], words[3], arguments)
    elif words[0].startswith("scripts/"):
        assert os.access(ROOT / words[0], os.X_OK), words
        check_settings(words)
    elif words[0] == "aws" and words[1] != "s3":
        check_aws(words[1], words[2], [word for word in words if word.startswith("--")])
    if "ansible-playbook" in words:
        check_playbook(words)


def check_make(words: list[str]) -> None:
    for word in words:
        name, equals, _ = word.partition("=")
        if equals:
            assert re.search(rf"\b{name}\b", re.sub(r"##.*", "", MAKEFILE)), f"make reads no {name}"
        else:
            assert re.search(rf"^{re.escape(word)}:", MAKEFILE, re.MULTILINE), f"make has no target {word}"
    check_settings(words)


def check_settings(words: list[str]) -> None:
    """Assert that an operation takes what it is told."""
    known = {"ENV", "DO", *re.findall(r"^OPERATION = (.*)$", MAKEFILE, re.MULTILINE)[0].split()}
    if "operate" in words or "scripts/operate" in words:
        told = {word.partition("=")[0] for word in words if "=" in word}
        assert told <= known, told - known
        intents = [word.partition("=")[2] for word in words if word.startswith("DO=")] or words[2:3]
        known |= {path.stem for path in (ROOT / "playbooks/operate").glob("*.yml")}
        known |= set(CASES)
        assert {intent for intent in intents if re.fullmatch(r"[a-z-]+", intent)} <= known, intents


def check_arguments(cli: click.Command, name: str, arguments: list[str]) -> None:
    """Raises click's error for an unknown option or a missing value."""
    assert isinstance(cli, click.Group)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, name
    if isinstance(command, click.Group):
        check_arguments(command, arguments[0], arguments[1:])
        return
    context = click.Context(command)
    _, rest, _ = command.make_parser(context).parse_args(list(arguments))
    assert rest == [], (name, rest)


def check_aws(service: str, operation: str, options: list[str]) -> None:
    """Assert that AWS has the call, as botocore describes it."""
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name).replace("_", "-"): name for name in model.operation_names}
    members = model.operation_model(names[operation]).input_shape.members
    assert set(options) <= {f"--{xform_name(member).replace('_', '-')}" for member in members}, operation


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_that_a_sentence_names_is_there(page: Path) -> None:
    for mention in mentions(page):
        words = mention.replace('"', "").split()
        if words[0] == "make":
            check_make([word for word in words[1:] if re.match(r"[a-z-]+$|[A-Z_]+=", word)])
        elif words[0].startswith("scripts/"):
            assert os.access(ROOT / words[0], os.X_OK), mention
        elif words[2] in CLIS:
            context = click.Context(CLIS[words[2]])
            assert len(words) == 3 or CLIS[words[2]].get_command(context, words[3]), mention
        else:
            assert importlib.util.find_spec(words[2]), mention


PAGE = """
```sh
make plan ENV=staging   # a comment
python - <<'PY'
make = "no command"
PY
curl --data x \\
  http://127.0.0.1:8090/predict
```
```sh untested: needs an account
aws sts get-caller-identity
```
```sh run-by: Makefile .ci/run
make test
```
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tests.docs.pages.ROOT", tmp_path)
    (tmp_path / "page.md").write_text(PAGE)
    return tmp_path / "page.md"


def test_blocks_are_collected_with_their_commands_and_marks(page: Path) -> None:
    here, nowhere, elsewhere = blocks(page)
    assert (here.name, here.run_by, here.untested) == ("page.md:3 make plan ENV=staging", [], "")
    assert commands(here.text) == ["make plan ENV=staging", "python -", "curl --data x http://127.0.0.1:8090/predict"]
    assert (nowhere.run_by, nowhere.untested) == ([], "needs an account")
    assert (elsewhere.run_by, elsewhere.untested) == (["Makefile", ".ci/run"], "")


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("make plan", True),
        ("scripts/operate staging status", True),
        (". .venv/bin/activate", True),
        ("python -m bundle sign path/to/bundle --private-key signing.key", False),
        ("curl http://127.0.0.1/predict -o /dev/null", False),
    ],
)
def test_what_needs_no_clone_is_executed_elsewhere(text: str, needed: bool) -> None:
    assert needs_clone(Block(["sh"], text)) is needed


def test_a_block_is_executed_with_what_a_reader_would_put_in_and_stops_at_a_failure(tmp_path: Path) -> None:
    (tmp_path / "make").write_text('#!/bin/sh\necho "$*: $(cat)"\n')
    (tmp_path / "make").chmod(0o755)
    text = (
        "echo ENV=staging staging-x 'a $HOME' path/8090/ /tmp/x\nmake shell HOST=i-1  # a comment\n"
        "sleep 100 &\nfalse  # wrong\necho never\n"
    )
    told = script(Block(["sh"], text), {"staging": "local", "8090": "9", "/tmp/": "/a/"})
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", told], env=os.environ | path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (
        1,
        ["ENV=local staging-x a $HOME path/9/ /a/x", "shell HOST=i-1: exit"],
    )
    assert "it failed at: false" in done.stderr
