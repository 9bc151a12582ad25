"""What an operation answers is a table that fits a terminal, with every fact of every host."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.operation_text import (
    age,
    fleet_lines,
    group_lines,
    host_lines,
    of_inventory,
    own_account,
    since,
    table,
)

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
COLUMNS = 100  # of a terminal
DIGEST = "sha256:" + "ab" * 32


def member(number: int, **facts: str) -> dict[str, str]:
    """A member with the longest names that AWS gives."""
    return {
        **{"instance_id": f"i-0123456789abcde{number:02}", "zone": "ap-southeast-2a", "state": "InService"},
        **{"target": "healthy", "reason": "", "version": "7", "image": "ami-0123456789abcdef0"},
        **{"launched": "2026-11-29T09:00:00+00:00"},
        **facts,
    }


def asked(status: int, model: str = "iris") -> dict[str, Any]:
    """What a host's service has answered to status.yml's questions."""
    version = json.dumps({"model": {"name": model, "version": "1.0.0", "digest": DIGEST}})
    return {"results": [{"status": status, "content": '{"ready":\n false}'}, {"status": 200, "content": version}]}


@pytest.mark.parametrize(
    ("launched", "old"),
    [
        ("2026-11-30T11:59:15+00:00", "45s"),
        ("2026-11-30T11:48:00+00:00", "12m"),
        ("2026-11-29T09:00:00+00:00", "27h"),
        ("2026-11-16T12:00:00Z", "14d"),
        ("2025-11-30 12:00:00", "365d"),
        ("2026-11-30T14:00:00+02:00", "0s"),
        ("2026-11-30T12:00:09+00:00", "0s"),  # the clocks of AWS and of this machine
        ("", ""),
    ],
)
def test_an_age_is_short(launched: str, old: str) -> None:
    assert age(launched, NOW) == old


def test_a_moment_is_utc_to_the_minute() -> None:
    assert (since("2026-11-30T14:00:59+02:00"), since("")) == ("11-30 12:00", "")


def test_every_fact_of_every_host_is_in_a_table_that_fits_a_terminal() -> None:
    members = [
        member(1),
        member(2, state="Terminating:Proceed", target="unhealthy", reason="Health checks failed with these codes: [503]"),
        member(3, state="Standby", target="", version="6", image="ami-old"),
    ]
    apart = [member(4, version="", target="")]
    accounts = {
        members[0]["instance_id"]: own_account(asked(200)),
        members[1]["instance_id"]: own_account(asked(503)),
        apart[0]["instance_id"]: own_account({"results": [{"status": -1, "msg": "refused"}, {"status": -1}]}),
    }
    lines = fleet_lines(members, apart, accounts, NOW)
    assert max(map(len, lines)) <= COLUMNS
    facts = [line.split() for line in lines]
    assert facts[0] == ["HOST", "ZONE", "STATE", "TARGET", "SERVICE", "VERSION", "LAUNCHED", "UTC", "AGE"]
    moment = ["11-29", "09:00", "27h"]
    assert facts[1] == [members[0]["instance_id"], "ap-southeast-2a", "InService", "healthy", "ready", "7", *moment]
    assert facts[2][2].startswith("Termina")
    assert facts[2][-6:] == ["not", "ready", "7", *moment]
    assert facts[3][2:] == ["Standby", "-", "-", "6", *moment]
    assert facts[4][2:] == ["detached", "-", "no", "answer", "-", *moment]
    assert lines[5:8] == [
        f"{members[1]['instance_id']}: Health checks failed with these codes: [503]",
        f'{members[1]["instance_id"]}: {{"ready": false}}',
        f"{apart[0]['instance_id']}: refused",
    ]
    assert [line.split() for line in lines[9:]] == [
        ["VERSION", "IMAGE", "MODEL", "DIGEST", "HOSTS"],
        ["-", "ami-0123456789abcdef0", "-", "-", "1"],
        ["6", "ami-old", "-", "-", "1"],
        ["7", "ami-0123456789abcdef0", "iris", "1.0.0", "ab" * 6, "2"],
    ]


def test_a_fleet_that_nobody_asked_has_no_column_of_answers_and_an_empty_one_says_so() -> None:
    assert "SERVICE" not in fleet_lines([member(1)], [], {}, NOW)[0]
    assert fleet_lines([], [], {}, NOW) == ["It has no hosts."]


def test_a_group_that_is_not_whole_says_why() -> None:
    size = {"desired_capacity": 2, "min_size": 2, "max_size": 4}
    assert group_lines("service", {"size": size, "unsettled": ["i-1 is Pending."], "refresh": "InProgress"}) == [
        "service: 2 hosts wanted, 2 to 4 allowed",
        "i-1 is Pending.",
        "A rollout is under way: InProgress",
    ]


def test_a_host_of_the_inventory_is_shown_as_aws_tags_it() -> None:
    variables = {
        **{"ec2_placement": {"availability_zone": "us-east-1a"}, "ec2_image_id": "ami-1"},
        **{"ec2_launch_time": "2026-11-30T11:00:00+00:00", "ec2_tags": {"Role": "workbench", "Name": "ann"}},
        **{"ec2_state": {"name": "running"}},
    }
    head, line = host_lines([of_inventory("i-1", variables)], NOW)
    assert head.split() == ["HOST", "ROLE", "STATE", "ZONE", "IMAGE", "LAUNCHED", "UTC", "AGE"]
    found = ["i-1", "workbench", "running", "us-east-1a", "ami-1", "11-30", "11:00", "60m"]
    assert line.split() == found
    widest = {"instance_id": "i-0123456789abcdef0", "role": "workbench", "state": "terminated", "zone": "ap-southeast-2a"}
    line = host_lines([widest | {"image": "ami-0123456789abcdef0", "launched": "2026-11-30T11:00:00Z"}], NOW)[1]
    assert (len(line) <= COLUMNS, "terminated  ap-southeast-2a  ami-0123456789abcdef0" in line) == (True, True)
    assert host_lines([of_inventory("i-1", {})], NOW)[1].split() == ["i-1", *"------"]


def test_only_columns_that_may_are_cut() -> None:
    lines = table(["HOST", "NAME"], [["i-1", "x" * 200]], cut=["NAME"])
    assert (len(lines[1]), lines[1][-1]) == (COLUMNS, "…")
    assert table(["HOST"], [["x" * 200]])[1] == "x" * 200


PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Say a sentence
      ansible.builtin.debug: {{msg: {sentence}}}
    - name: Say another one
      ansible.builtin.debug: {{msg: another}}
    - name: Say lines
      ansible.builtin.debug: {{msg: ["a  b", "{{{{ 'x' * 200 }}}}"]}}
    - name: Look for what need not be there
      ansible.builtin.fail: {{msg: not there}}
      ignore_errors: true
    - name: Try it
      block:
        - name: Fail
          ansible.builtin.fail: {{msg: rescued}}
      rescue:
        - name: Mend it
          ansible.builtin.copy: {{content: x, dest: "{{{{ playbook_dir }}}}/made", mode: "0644"}}
    - name: Write for {{{{ 'ann' }}}}
      ansible.builtin.copy: {{content: x, dest: "{{{{ playbook_dir }}}}/{{{{ item }}}}", mode: "0644"}}
      loop: [one, two]
    - name: Write nothing
      ansible.builtin.copy: {{content: x, dest: "{{{{ playbook_dir }}}}/never", mode: "0644"}}
      when: false
    - name: Copy what is not there
      ansible.builtin.copy: {{src: /nonexistent/file, dest: "{{{{ playbook_dir }}}}/x", mode: "0644"}}
      when: {failing}
"""


def plays(tmp_path: Path, *options: str, failing: bool) -> subprocess.CompletedProcess[str]:
    (tmp_path / "play.yml").write_text(PLAY.format(sentence=" ".join(["word"] * 40), failing=json.dumps(failing)))
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"localhost": local}}}))
    environment = os.environ | {
        **{"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "pettracker.aws.operation"},
        **{"ANSIBLE_CALLBACKS_ENABLED": "pettracker.aws.operation", "OPERATION_NAME": "try in dev"},
    }
    command = [Path(sys.executable).parent / "ansible-playbook", *options, "-i", "hosts.yml", "play.yml"]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


def test_answers_go_to_stdout_steps_to_stderr_and_what_failed_is_one_line(tmp_path: Path) -> None:
    done = plays(tmp_path, failing=True)
    assert done.returncode == 2
    sentence, rest, *lines = done.stdout.splitlines()
    assert (sentence, rest) == (" ".join(["word"] * 20), " ".join(["word"] * 20))
    assert lines == ["", "another", "a  b", "x" * 200]
    *steps, error = done.stderr.splitlines()
    assert [step.split("  ", 1)[1] for step in steps] == [
        "Mend it",
        "Write for ann",
        "one  Write for ann: done",
        "two  Write for ann: done",
    ]
    assert error.startswith("try in dev: Copy what is not there: ")
    assert "/nonexistent/file" in error
    assert error.endswith("Changes made before: 2.")
    assert "\x1b" not in done.stdout + done.stderr


def test_a_look_says_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    done = plays(tmp_path, "--check", failing=False)
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if line.startswith("would")] == [
        "would  Mend it",
        "would  one  Write for ann",
        "would  two  Write for ann",
    ]
    assert done.stderr == "try in dev: This was only a look. Nothing was changed.\n"
    assert not (tmp_path / "made").exists()
