"""Whatever options Ansible is given, nothing is asked or changed in an account before it was seen whose it is."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from tests.roles.controllers import inventory_of

ROOT = Path(__file__).parents[2]
CHECKED = "{{ aws_environment }}"
SAYS_ONLY = {"ansible.builtin.assert", "ansible.builtin.debug"}


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """What an API that knows no account is asked, with its address in front."""
    requests: list[str] = []

    class Api(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(403)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever).start()
        requests.append(f"http://127.0.0.1:{server.server_port}")
        yield requests
        server.shutdown()


@pytest.mark.parametrize(
    ("options", "question"),
    [
        (["network", "--start-at-task", "Ensure the VPC, its subnets, gateways and routes"], None),
        (["network", "--skip-tags", "always"], None),
        (["destroy", "--start-at-task", "Remove everything that carries the environment's tags"], None),
        (["network", "--tags", "no-such-tag"], "Action=GetCallerIdentity"),
    ],
)
def test_no_option_leads_past_the_question_whose_account_it_is(
    asked: list[str], options: list[str], question: str | None
) -> None:
    playbook, *more = options
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), *inventory_of("dev"), f"playbooks/{playbook}.yml", *more],
        cwd=ROOT,
        env=os.environ
        | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "AWS_ENDPOINT_URL": asked.pop(), "AWS_MAX_ATTEMPTS": "1"}
        | {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    if question is None:
        assert "Leave that option out" in done.stdout, done.stdout + done.stderr
        assert asked == []
    else:
        assert asked
        assert all(question in each for each in asked)


def test_every_play_on_the_controller_looks_first() -> None:
    plays = {
        f"{path.relative_to(ROOT)}: {play['name']}": play
        for path in sorted((ROOT / "playbooks").rglob("*.yml"))
        if path.parent.name in ("playbooks", "operate", "plays")
        for play in yaml.safe_load(path.read_text())
        if "localhost" in play.get("hosts", "")
    }
    assert len(plays) > 20
    for name, play in plays.items():
        only_says = "roles" not in play and all(SAYS_ONLY & task.keys() for task in play["tasks"])
        assert only_says or play.get("environment") == CHECKED, name
