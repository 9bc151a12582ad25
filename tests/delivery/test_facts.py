"""A play that calls a command hands over what it knows of its environment: no Ansible is started from within Ansible."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
import yaml

from delivery.cli import main
from delivery.environment import ask_inventory, environment_of
from tests.delivery.worlds import RELEASES, REPOSITORY, World
from tests.roles.controllers import environment_of as account_of
from tests.roles.controllers import inventory_of


def calls(content: Any) -> Iterator[dict[str, Any]]:
    """Yield the tasks, at any depth, that start a command of the package."""
    if isinstance(content, list):
        for item in content:
            yield from calls(item)
    elif isinstance(content, dict):
        argv = str((content.get("ansible.builtin.command") or {}).get("argv", ""))
        if "delivery" in argv and "ansible_playbook_python" in argv:
            yield content
        for value in content.values():
            yield from calls(value)


TASKS = {
    f"{path.name}: {task['name']}": task
    for folder in ("playbooks", "roles")
    for path in sorted((REPOSITORY / folder).rglob("*.yml"))
    for task in calls(yaml.safe_load(path.read_text()))
}
# The one through which most plays ask, and what they ask.
(ASK,) = [TASKS.pop(name) for name in list(TASKS) if name.startswith("ask_delivery.yml")]
VERBS = [
    verb
    for path in sorted((REPOSITORY / "playbooks").rglob("*.yml"))
    for verb in re.findall(r"delivery_question: \W*([a-z-]+)", path.read_text())
]


def takes_facts(verb: str) -> bool:
    return any("--facts" in option.opts for option in main.get_command(click.Context(main), verb).params)


@pytest.mark.parametrize("name", TASKS)
def test_a_play_hands_over_what_it_knows_where_a_command_would_ask_ansible(name: str) -> None:
    command = TASKS[name]["ansible.builtin.command"]
    said = str(command["argv"]).replace("--facts=-", "--facts', '-")
    (verb,) = [verb for verb in main.commands if f"'{verb}'" in said]
    assert takes_facts(verb) == ("'--facts', '-'" in said) == (command.get("stdin") == "{{ delivery_facts | to_json }}")


def test_most_calls_are_about_an_environment() -> None:
    command = ASK["ansible.builtin.command"]
    assert ("'--facts', '-'" in command["argv"], command["stdin"]) == (True, "{{ delivery_facts | to_json }}")
    assert len(VERBS) >= 4
    assert all(takes_facts(verb) for verb in VERBS), VERBS


def test_an_environment_is_the_same_however_it_is_known(world: World) -> None:
    facts = json.loads(json.dumps(ask_inventory("staging", world.root)))
    assert environment_of("staging", facts, world.root) == world.environment()


def test_a_command_of_a_play_needs_no_inventory_of_its_own(account: str, keys: tuple[Path, Path], tmp_path: Path) -> None:
    """The clone has none, so that whoever asks Ansible about it is refused."""
    boto3.client("s3").create_bucket(Bucket=RELEASES)
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "delivery").symlink_to(REPOSITORY / "delivery")
    show = {"ansible.builtin.debug": {"msg": "{{ delivery_answer.stdout or delivery_answer.stderr }}"}}
    question = {"delivery_question": ["images-in-use"]}
    play = {"hosts": "localhost", "gather_facts": False, "vars": question, "tasks": [ASK, show]}
    (tmp_path / "playbooks/play.yml").write_text(json.dumps([play]))
    known = {"account_id": "123456789012", "signing_keys": [{"signs": ["records"], "public_key": keys[1].read_text()}]}
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, *inventory_of("staging"), "-e", json.dumps(known), str(tmp_path / "playbooks/play.yml")],
        env=account_of(account),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"msg": "[]"' in done.stdout, done.stdout
