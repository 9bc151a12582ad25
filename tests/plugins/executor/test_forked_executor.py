"""A fork of Ansible's worker gives what the stock executor gives."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import urllib3
from ansible.constants import DEFAULT_VAULT_ID_MATCH
from ansible.parsing.vault import VaultLib, VaultSecret
from moto.server import ThreadedMotoServer

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
STOCK = {"ANSIBLE_ACTION_PLUGINS": "none"}
# Two runs differ in these whatever runs them: times, and names that one run gives. The end by a signal has a test of its own.
OWN = {
    *("atime", "ansible_job_id", "results_file", "date", "x-amzn-requestid", "rc", "module_stderr"),
    *("association_id", "default", "id", "vpc_id", "left"),
}
SECRET = "Schnurrhaar"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What a play with everything that an executor has to get right says, by executor and name of the task."""
    directory = tmp_path_factory.mktemp("executor")
    vault = VaultLib([(DEFAULT_VAULT_ID_MATCH, VaultSecret(b"open sesame"))])
    (directory / "password").write_text("open sesame")
    lines = "\n".join(" " * 6 + line for line in vault.encrypt(SECRET).decode().splitlines())
    (directory / "inventory.yml").write_text(
        "all:\n  hosts:\n    localhost:\n      ansible_connection: local\n"
        f'      ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"\n  vars:\n    password: !vault |\n{lines}\n'
    )
    return {executor: _run(directory, switch) for executor, switch in {"forked": {}, "stock": STOCK}.items()}


def _run(directory: Path, switch: dict[str, str]) -> dict[str, Any]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    urllib3.request("POST", f"http://{host}:{port}/moto-api/reset")
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": f"{HERE}:{ROOT / 'collections'}",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_CALLBACKS_ENABLED": "preload",
        "ANSIBLE_DEPRECATION_WARNINGS": "false",
        "ANSIBLE_ASYNC_DIR": str(directory / "async"),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(directory / "password"),
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing-key",
        "AWS_SECRET_ACCESS_KEY": "testing-secret",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    playbook = Path(sys.executable).with_name("ansible-playbook")
    command = [playbook, "-i", directory / "inventory.yml", HERE / "play.yml"]
    try:
        done = subprocess.run(command, env=environment | switch, capture_output=True, text=True, check=False)
    finally:
        server.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    tasks = {task["task"]["name"]: task["hosts"]["localhost"] for task in said["plays"][0]["tasks"]}
    return {"tasks": tasks, "text": done.stdout + done.stderr}


def _without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_own(item) for name, item in value.items() if name not in OWN}
    return [_without_own(item) for item in value] if isinstance(value, list) else value


def _by_how(run: dict[str, Any]) -> dict[str, Any]:
    return {item["item"]: item for item in run["tasks"]["Wrong in different ways"]["results"]}


def test_both_executors_give_the_same_results(runs):
    assert _without_own(runs["forked"]["tasks"]) == _without_own(runs["stock"]["tasks"])


def test_a_module_that_a_signal_ends_fails_the_task_by_name(runs):
    forked, stock = (_by_how(runs[executor])["signal"] for executor in ("forked", "stock"))
    assert forked["failed"] == stock["failed"] is True
    # What a shell says of it and what a fork says of it show that two executors have run.
    assert (forked["rc"], stock["rc"]) == (-11, 139)
    assert "SIGSEGV" in forked["module_stderr"]


@pytest.mark.parametrize("executor", ["forked", "stock"])
def test_nobody_is_told_a_secret(runs, executor):
    assert SECRET not in runs[executor]["text"]
    assert runs[executor]["tasks"]["With a value that nobody may see"]["secret"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


@pytest.mark.parametrize("executor", ["forked", "stock"])
def test_what_a_module_leaves_in_its_temporary_directory_goes_with_the_run(runs, executor):
    assert not Path(runs[executor]["tasks"]["Ordinary"]["left"]).exists()


def test_check_mode_defaults_and_environments_reach_the_module(runs):
    tasks = runs["forked"]["tasks"]
    assert tasks["In check mode"]["changed"] is False
    assert (tasks["Ordinary"]["number"], tasks["Ordinary"]["seen"]) == (5, "from the play")
    looped = tasks["In a loop that leaves nothing behind"]["results"]
    assert [one["seen"] for one in looped] == ["work", "chatter", "warn"]


def test_a_task_that_takes_too_long_ends_with_its_module(tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    # Ansible's timeout of a task is an exception from a signal, which threads and libraries of this process would have to bear.
    program = f"""
import os, signal, sys

sys.path[:0] = [{str(tmp_path)!r}, "executor/action"]
import normal

class TooLate(Exception): ...

def too_late(*_):
    raise TooLate

signal.signal(signal.SIGALRM, too_late)
signal.setitimer(signal.ITIMER_REAL, 1)
try:
    normal.run("slow", b"{{}}", {{}})
except TooLate:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("no child is left")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "no child is left\n", done.stderr
