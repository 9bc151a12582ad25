"""What `make plan` and `make drift` run: the callback in a real run of Ansible, and the exit status of the script."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from delivery.cost.prices import as_json, read_prices, read_usage
from delivery.plan.drift import body
from localcloud.account import Account

Client = Callable[[str], Any]
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Say what is made
      pettracker.aws.plan_create:
        resource: image pettracker-dev
        fields: {content: digest-to-be-made}
    - name: Write a file
      ansible.builtin.copy: {content: x, dest: "{{ playbook_dir }}/made", mode: "0644"}
    - name: Look for what need not be there
      ansible.builtin.fail: {msg: not there}
      ignore_errors: true
    - name: Look for the network
      ansible.builtin.fail: {msg: there is no network}
"""


def run_in_check_mode(tmp_path: Path, play: str, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a play with the callback in Ansible's own place; its reports are below `reports`."""
    (tmp_path / "play.yml").write_text(play)
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"localhost": local}}}))
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "pettracker.aws.plan",
        "ANSIBLE_CALLBACKS_ENABLED": "pettracker.aws.plan",
        "PLAN_DIRECTORY": str(tmp_path / "reports"),
        "PLAN_ENVIRONMENT": "dev",
    }
    command = [BIN / "ansible-playbook", "--check", "-i", "hosts.yml", "play.yml"]
    return subprocess.run(command, cwd=tmp_path, env=environment | more, capture_output=True, text=True, check=False)


def test_a_run_in_check_mode_becomes_text_json_and_markdown(tmp_path: Path) -> None:
    done = run_in_check_mode(tmp_path, PLAY, {})
    assert done.returncode == 2, done.stderr
    assert "+ image pettracker-dev" in done.stdout
    assert "Look for the network: there is no network" in done.stdout
    assert "not there" not in done.stdout
    report = json.loads((tmp_path / "reports/plan.json").read_text())
    assert (report["changes"][0]["kind"], report["changes"][0]["name"]) == ("image", "pettracker-dev")
    assert [field["unknown"] for field in report["changes"][0]["fields"]] == [True]
    assert len(report["changes"]) == 2
    assert (report["complete"], len(report["problems"])) == (False, 1)
    assert "image pettracker-dev" in (tmp_path / "reports/plan.md").read_text()


DRIFT = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Say where the environment is
      pettracker.aws.plan_create:
        resource: subnet a
        fields: {zone: us-east-1a}
    - name: List what carries the environment's tags
      pettracker.aws.owned_resources:
        tags: {Project: pettracker, Environment: dev}
"""


def test_what_nothing_manages_is_listed_with_its_price(tmp_path: Path, account: Account, served: tuple[str, Client]) -> None:
    endpoint, client = served
    account.reset()
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    tags = {"Project": "pettracker", "Environment": "dev", "Name": "try"}
    specification = {"ResourceType": "natgateway", "Tags": [{"Key": key, "Value": tags[key]} for key in tags]}
    made = ec2.create_nat_gateway(ConnectivityType="private", SubnetId=subnet, TagSpecifications=[specification])
    gateway = made["NatGateway"]
    (tmp_path / "prices.json").write_text(json.dumps(as_json(read_prices(), read_usage("none"))))
    where = {"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1"} | account.keys.root.environment
    done = run_in_check_mode(tmp_path, DRIFT, where | {"PLAN_PRICES": str(tmp_path / "prices.json")})
    assert done.returncode == 0, done.stdout + done.stderr
    since = gateway["CreateTime"]
    stray = f"NAT gateway {gateway['NatGatewayId']} (try), since {since:%Y-%m-%d}, 32.85 USD a month"
    assert f"* {stray}: nothing manages it" in done.stdout
    markdown = (tmp_path / "reports/plan.md").read_text()
    assert f"- `{stray}`" in markdown
    report = json.loads((tmp_path / "reports/plan.json").read_text())
    assert [one["monthly_usd"] for one in report["unmanaged"]["NAT gateway"]] == ["32.85"]
    assert stray in body(report, markdown)


BUDGET = {
    **{"kind": "budget", "name": "monthly", "before": None},
    "after": {"limit": {"amount": 100}, "notifications": {"at 80 %": ["ann@example.com"]}},
}
STRAY = {"identity": "b", "name": "", "since": "", "monthly_usd": ""}
EMPTY: dict[str, Any] = {
    **{"environment": "dev", "complete": True, "problems": []},
    **{"changes": [], "resources": [BUDGET], "unmanaged": {}},
}
CHANGE = EMPTY | {
    "changes": [
        {
            **{"kind": "log group", "name": "/dev", "action": "update", "interrupts": [], "task": "Keep it"},
            "fields": [{"path": "retention_days", "before": 7, "after": 30, "unknown": False}],
        }
    ]
}
OPEN = {**{"kind": "security group", "name": "service", "before": None}, "after": {"ingress": {"tcp/22 from 0.0.0.0/0": ""}}}
VIOLATION = EMPTY | {"resources": [OPEN, BUDGET]}


@pytest.mark.parametrize(
    ("command", "report", "failed", "status"),
    [
        pytest.param("drift", EMPTY, 0, 0, id="no drift"),
        pytest.param("drift", CHANGE, 0, 2, id="drift"),
        pytest.param("drift", EMPTY | {"unmanaged": {"bucket": [STRAY]}}, 0, 2, id="unmanaged"),
        pytest.param("drift", CHANGE, 2, 1, id="it could not look everywhere"),
        pytest.param("plan", CHANGE, 0, 0, id="a plan"),
        pytest.param("plan DETAILED", CHANGE, 0, 2, id="a plan, and its exit status is asked for"),
        pytest.param("plan DETAILED", EMPTY, 0, 0, id="an empty plan"),
        pytest.param("plan", VIOLATION, 0, 4, id="a plan that violates a guard rail"),
        pytest.param("drift", VIOLATION, 0, 0, id="no drift, and what is violated was so before"),
    ],
)
def test_the_exit_status_tells_differences_from_failures(
    tmp_path: Path, command: str, report: dict[str, Any], failed: int, status: int
) -> None:
    playbook = tmp_path / "ansible-playbook"
    written = f"echo '{json.dumps(report)}' > \"$PLAN_DIRECTORY/$PLAN_NAME.json\""
    playbook.write_text(f'#!/bin/sh\nmkdir -p "$PLAN_DIRECTORY"\n{written}\nexit {failed}\n')
    playbook.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{BIN}:{os.environ['PATH']}",
        "PLAN_DIRECTORY": str(tmp_path),
        "DETAILED": "1" if "DETAILED" in command else "",
    }
    done = subprocess.run(
        [ROOT / "scripts/plan", "dev", command.split(maxsplit=1)[0]], env=environment, capture_output=True, check=False
    )
    assert done.returncode == status, done.stderr


def test_drift_is_given_the_prices_with_what_the_environment_assumes(tmp_path: Path) -> None:
    playbook = tmp_path / "ansible-playbook"
    playbook.write_text('#!/bin/sh\ncp "$PLAN_PRICES" "$PLAN_DIRECTORY/given"\necho "$EMPTY" > "$PLAN_DIRECTORY/drift.json"\n')
    playbook.chmod(0o755)
    more = {"PATH": f"{tmp_path}:{BIN}:{os.environ['PATH']}", "PLAN_DIRECTORY": str(tmp_path / "new")}
    command = [ROOT / "scripts/plan", "dev", "drift"]
    subprocess.run(command, env=os.environ | more | {"EMPTY": json.dumps(EMPTY)}, check=True)
    given = json.loads((tmp_path / "new/given").read_text())
    assert given == as_json(read_prices(), read_usage("dev", ROOT))


def plan_of_parts(tmp_path: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run `scripts/plan dev plan` with a program in Ansible's place."""
    playbook = tmp_path / "ansible-playbook"
    playbook.write_text(f"#!/bin/sh\n{program}\n")
    playbook.chmod(0o755)
    return subprocess.run(
        [ROOT / "scripts/plan", "dev", "plan"],
        env=os.environ | {"PATH": f"{tmp_path}:{BIN}:{os.environ['PATH']}", "PLAN_DIRECTORY": str(tmp_path / "plan")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_plan_is_both_its_parts_in_their_order(tmp_path: Path) -> None:
    # The first part waits for the second one, which shows that they run side by side.
    (tmp_path / "foundation").write_text(json.dumps(CHANGE))
    change = CHANGE["changes"][0] | {"kind": "load balancer", "name": "dev"}
    (tmp_path / "delivery").write_text(json.dumps(CHANGE | {"changes": [change], "resources": []}))
    other = '[ "$PLAN_NAME" = delivery ] || until [ -e "$PLAN_DIRECTORY/delivery.json" ]; do sleep 0.1; done'
    program = f'mkdir -p "$PLAN_DIRECTORY"; {other}; cp "{tmp_path}/$PLAN_NAME" "$PLAN_DIRECTORY/$PLAN_NAME.json"'
    done = plan_of_parts(tmp_path, program)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "plan/plan.json").read_text())
    assert [one["kind"] for one in report["changes"]] == ["log group", "load balancer"]
    assert (report["summary"]["update"], report["complete"], len(report["resources"])) == (2, True, 1)
    assert done.stdout.index("~ log group /dev") < done.stdout.index("~ load balancer dev")
    assert "load balancer dev" in (tmp_path / "plan/plan.md").read_text()


def test_a_part_that_fails_leaves_an_incomplete_plan_and_one_that_is_killed_none(tmp_path: Path) -> None:
    (tmp_path / "failed").write_text(json.dumps(EMPTY | {"complete": False, "problems": ["there is no network"]}))
    write = f'mkdir -p "$PLAN_DIRECTORY"; cp "{tmp_path}/failed" "$PLAN_DIRECTORY/$PLAN_NAME.json"'
    done = plan_of_parts(tmp_path, f'{write}; [ "$PLAN_NAME" = delivery ]')
    assert (done.returncode, "✗ there is no network" in done.stdout) == (1, True), done.stderr
    assert not json.loads((tmp_path / "plan/plan.json").read_text())["complete"]
    killed = plan_of_parts(tmp_path, f'[ "$PLAN_NAME" = delivery ] || kill -9 $$; {write}')
    assert killed.returncode == 1
    assert "the plan of foundation ended before it was written" in killed.stderr
    assert not (tmp_path / "plan/plan.json").exists()


def test_whoever_interrupts_a_plan_leaves_no_ansible_behind(tmp_path: Path) -> None:
    playbook = tmp_path / "ansible-playbook"
    playbook.write_text(f'#!/bin/sh\necho $$ >"{tmp_path}/$PLAN_NAME.pid"\nexec sleep 300\n')
    playbook.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{BIN}:{os.environ['PATH']}", "PLAN_DIRECTORY": str(tmp_path / "plan")}
    plan = subprocess.Popen(
        # A test run in the background has SIGINT ignored, which its children would inherit.
        ["env", "--default-signal=INT", ROOT / "scripts/plan", "dev", "plan"],
        env=environment,
        start_new_session=True,
    )
    pids = [tmp_path / f"{part}.pid" for part in ("foundation", "delivery")]
    assert eventually(lambda: all(path.exists() and path.read_text().strip() for path in pids))
    os.killpg(plan.pid, signal.SIGINT)
    assert plan.wait(timeout=30) != 0
    assert eventually(lambda: not any(psutil.pid_exists(int(path.read_text())) for path in pids))


def eventually(seen: Callable[[], bool], within: float = 30) -> bool:
    deadline = time.monotonic() + within
    while not seen() and time.monotonic() < deadline:
        time.sleep(0.1)
    return seen()


def test_a_deployment_stops_at_a_plan_that_violates_a_guard_rail(tmp_path: Path) -> None:
    scripts, done = tmp_path / "scripts", tmp_path / "done"
    knows = f'echo "$(basename $0) knows $RELEASE_SIGNING_KEY" >>{done}'
    for path, text in {
        scripts / "plan": "exit 4",
        scripts / "release": knows,
        scripts / "converge": knows,
        tmp_path / ".venv/bin/python": "exit 0",  # the plan is as it was reviewed
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    for name in ("deploy", "at-home"):
        (scripts / name).write_text((ROOT / "scripts" / name).read_text())
    assert subprocess.run(["bash", scripts / "deploy", "dev"], check=False).returncode == 4
    assert not done.exists()
    (scripts / "plan").write_text(f"#!/bin/sh\n{knows}\n")
    environment = {**os.environ, "RELEASE_SIGNING_KEY": "the key"}
    assert subprocess.run(["bash", scripts / "deploy", "dev"], env=environment, check=False).returncode == 0
    # Nothing but what signs is told the key.
    assert done.read_text().splitlines() == ["plan knows ", "release knows the key", "converge knows "]
