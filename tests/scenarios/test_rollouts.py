"""How the scenario `rollout` runs playbooks and reads what they leave."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import rollouts

from tests.localcloud.conftest import Cloud, eventually
from tests.roles.inventory_values import Values, assertions

RECAP = """
PLAY RECAP *********************************************************************
i-0123                     : ok=9    changed=3    unreachable=0    failed=0    skipped=2    rescued=0    ignored=0
localhost                  : ok=44   changed=0    unreachable=0    failed=0    skipped=6    rescued=0    ignored=0
"""


def test_changes_are_those_of_the_controller() -> None:
    assert rollouts.changes(RECAP) == 0
    with pytest.raises(AssertionError, match="no recap here"):
        rollouts.changes("no recap here")


@pytest.mark.parametrize("own", [{}, rollouts.WATCHFUL, rollouts.TAKEN_OVER], ids=["plain", "watchful", "taken over"])
def test_the_paces_of_the_scenario_are_those_that_the_role_allows(own: dict[str, Any]) -> None:
    pace = Values("local", **rollouts.PACE | own)
    for task, condition in assertions("rollout"):
        if "colours" not in condition:
            assert pace.holds(condition), (task, condition)


def test_a_run_passes_its_variables_on_and_keeps_what_is_said(ansible: Path, tmp_path: Path) -> None:
    ansible.write_text('#!/bin/sh\necho "$@"\necho "The fleet has\n  the version 7 again."\nexit 3\n')
    with rollouts.running("rollout", {"rollout_timeout": 150}, tmp_path / "said.txt") as run:
        run.wait(30)
    assert run.status == 3
    assert "playbooks/rollout.yml" in run.output
    assert '"rollout_timeout": 150' in run.output
    assert run.says("The fleet has the version 7 again.")
    assert not run.says("The fleet has the version 8 again.")


def test_a_killed_run_leaves_no_process_not_even_in_a_session_of_its_own(ansible: Path, tmp_path: Path) -> None:
    child = tmp_path / "child"
    ansible.write_text(
        f"#!{sys.executable}\nimport os, subprocess, time\n"
        f"worker = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(child)!r} + '.part', 'w').write(str(worker.pid))\n"
        f"os.rename({str(child)!r} + '.part', {str(child)!r})\ntime.sleep(600)\n"
    )
    with rollouts.running("rollout", {}, tmp_path / "said.txt") as run:
        eventually(child.exists)
        run.kill()
    assert run.status == -signal.SIGKILL
    worker = int(child.read_text())
    eventually(lambda: not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE)


def report(begin: str, **other: Any) -> bytes:
    plain = {"begin": begin, "outcome": "rolled back", "reason": "New hosts are bad.", "checkpoints": []}
    return json.dumps(plain | other).encode()


def test_a_runs_report_is_the_one_that_it_has_left(account: Cloud, ansible: Path, tmp_path: Path) -> None:
    ansible.write_text("#!/bin/sh\n")
    account.client("s3").create_bucket(Bucket=rollouts.releases_bucket())

    def put(name: str, body: bytes) -> None:
        account.client("s3").put_object(Bucket=rollouts.releases_bucket(), Key=f"local/rollouts/{name}.json", Body=body)

    put("20200101T000000Z-pets", report("2020-01-01T00:00:00"))
    with rollouts.running("rollout", {}, tmp_path / "said.txt") as run:
        run.wait(30)
    with pytest.raises(AssertionError, match="no report since"):
        run.report()
    judged = [{"percentage": 50, "verdict": "reject", "reasons": ["i-1 is not ready.", "The alarm a rings."]}]
    put("29990101T000000Z-pets", report("2999-01-01T00:00:00", checkpoints=judged))
    assert run.report()["begin"] == "2999-01-01T00:00:00"
    assert rollouts.reasons(run.report()) == "New hosts are bad. i-1 is not ready. The alarm a rings."
    assert [one["begin"][:4] for one in rollouts.reports()] == ["2020", "2999"]


def test_the_lock_of_a_killed_controller_is_forgotten(account: Cloud) -> None:
    s3, bucket = account.client("s3"), rollouts.releases_bucket()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="local/rollout.lock", Body=b"{}")
    rollouts.forget_lock()
    rollouts.forget_lock()
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
