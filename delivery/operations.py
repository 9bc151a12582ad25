"""Operations on the hosts of an environment: a playbook of playbooks/operate/, or a session through Session Manager."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

import click

from delivery.command_line import EXIT_USAGE, environment_option

PLAYBOOKS = Path("playbooks/operate")
# Operations by the playbook that they are a case of, and what `operate_state` is then.
CASES = {
    **{name: ("power", state) for name, state in {"start": "running", "stop": "stopped", "reboot": "rebooted"}.items()},
    **{"terminate": ("power", "terminated"), "release-address": ("address", "absent")},
}
# Ansible's own output is for whoever asks for it.
CALLBACK = "pettracker.aws.operation"
_MARK = r"(?:\x1b\[[0-9;]*m)?\["  # a message of Ansible's begins with it; on a terminal, in colour


@click.command()
@environment_option
@click.argument("intent")
@click.argument("words", nargs=-1, metavar="[NAME=VALUE]... [-v] [-- ANSIBLE-PLAYBOOK OPTION...]")
def operate(environment: str, intent: str, words: tuple[str, ...]) -> None:
    """Run INTENT, a playbook of playbooks/operate/, with each NAME=VALUE as its variable operate_name.

    Its answers are tables and lines for people (the collection's callback operation); -v or VERBOSE=yes shows Ansible's own
    output. CHECK=yes only looks.
    """
    playbook, state = CASES.get(intent, (intent, ""))
    playbooks = sorted(path.stem for path in PLAYBOOKS.glob("*.yml"))
    if playbook not in playbooks or intent == "power":
        known = [*(name for name in playbooks if name != "power"), *CASES]
        _refuse(f"There is no operation '{intent}'; choose one of: {' '.join(known)}")
    settings, options = _read(words)
    said = {"state": state} if state else {}
    # In JSON Ansible so names text that may come from anybody, and is no template.
    variables = {f"operate_{name}": {"__ansible_unsafe": value} for name, value in (said | settings).items()}
    command = ["ansible-playbook", str(PLAYBOOKS / f"{playbook}.yml"), "--extra-vars", json.dumps(variables), *options]
    if any(option.startswith("-v") or option == "--verbose" for option in options):
        os.execvp(command[0], command)  # noqa: S606 - no shell
    name = f"{intent} in {environment}"
    callback = {"OPERATION_NAME": name, "ANSIBLE_STDOUT_CALLBACK": CALLBACK, "ANSIBLE_CALLBACKS_ENABLED": CALLBACK}
    with subprocess.Popen(command, env=os.environ | callback, stderr=subprocess.PIPE, text=True, errors="replace") as running:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ansible has it as well, and says how it ends
        signal.signal(signal.SIGTERM, lambda *_: running.terminate())
        _pass_on(running.stderr or (), name)
    sys.exit(running.returncode if running.returncode >= 0 else 128 - running.returncode)


def _read(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the variables that are set, and the options of ansible-playbook."""
    settings: dict[str, str] = {}
    options: list[str] = []
    switches = {"check": ["--check", "--diff"], "verbose": ["-v"]}
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        if word == "--":
            return settings, [*options, *words[number + 1 :]]
        if word.startswith("-v"):
            options.append(word)
        elif not equals:
            _refuse(f"'{word}' is no NAME=VALUE")
        elif name.lower() not in switches:
            settings[name.lower()] = value
        elif value == "yes":
            options += switches[name.lower()]
        elif value not in ("", "no"):
            _refuse(f"{word}: say yes or no")
    return settings, options


@click.command()
@environment_option
@click.argument("kind", type=click.Choice(["shell", "forward"]))
@click.argument("host", default="")
@click.argument("port", default="")
@click.argument("local_port", default="")
def session(environment: str, kind: str, host: str, port: str, local_port: str) -> None:
    """Open a shell on HOST, or bring its PORT to this machine: no port is open, and IAM decides who may enter."""
    if kind == "forward" and not port:
        _refuse("Say which port: PORT=8080")
    listed = subprocess.run(["ansible-inventory", "--list"], capture_output=True, text=True, errors="replace", check=False)
    _pass_on(listed.stderr.splitlines(keepends=True), f"{kind} in {environment}")
    if listed.returncode:
        sys.exit(listed.returncode)
    variables = json.loads(listed.stdout).get("_meta", {}).get("hostvars", {})
    hosts = sorted(name for name in variables if "ec2_placement" in variables[name])
    if host not in hosts:
        sys.exit(f"There is no host {host or repr('')}. There are: {', '.join(hosts) or 'none'}.")
    region = variables[host]["ec2_placement"]["region"]
    region = region["__ansible_unsafe"] if isinstance(region, dict) else region  # what a plugin has read is marked so
    command = ["aws", "ssm", "start-session", "--region", region, "--target", host]
    if kind == "forward":
        ports = f"portNumber={port},localPortNumber={local_port or port}"
        command += ["--document-name", "AWS-StartPortForwardingSession", "--parameters", ports]
    os.execvp(command[0], command)  # noqa: S606 - no shell


def _pass_on(errors: Iterable[str], name: str) -> None:
    """Pass Ansible's errors on, but say in one line that the inventory's hosts cannot be listed.

    Ansible tells that by each plugin, with all causes, before any callback is there.
    """
    told = False
    for line in errors:
        if found := re.match(_MARK + r"WARNING\]: Failed to parse inventory .*aws_ec2' plugin: (.*)", line):
            told = True
            click.echo(f"{name}: The hosts cannot be listed. {found[1]}. Credentials come from the environment.", err=True)
        elif not told:
            click.echo(line, err=True, nl=False)
        elif re.match(_MARK + r"ERROR\]: ", line):
            told = False


def _refuse(reason: str) -> NoReturn:
    click.echo(reason, err=True)
    sys.exit(EXIT_USAGE)
