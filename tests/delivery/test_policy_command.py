"""`make policy` and `make plan-comment`: what they say, and with which exit status."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from delivery.cli import main
from delivery.command_line import EXIT_VIOLATED
from delivery.plan.comments import LIMIT, read_review
from delivery.plan.decision import reviewed_part

PORT = "tcp/22 from 0.0.0.0/0"
RULES = """
- id: ssh
  severity: error
  title: SSH can come in
  why: Keys are lost
  fix: Remove the rule
  kinds: [security group]
  violated_by: keys(after.ingress)[?matches(@, '^tcp/22 ')]
"""


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with one rule, and a plan of dev that violates it."""
    monkeypatch.chdir(tmp_path)
    for name in ("PLAN_DIRECTORY", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    for directory in ("delivery/policy", "inventories/dev", ".cache/plan/dev"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "delivery/policy/rules.yml").write_text(RULES)
    write_plan(tmp_path, {"ingress": {PORT: ""}})
    return tmp_path


def write_plan(clone: Path, after: dict[str, Any], markdown: str = "## Plan: dev") -> None:
    resource = {"kind": "security group", "name": "service", "before": None, "after": after}
    plan = {"environment": "dev", "complete": True, "changes": [], "resources": [resource]}
    plan |= {"problems": [], "unmanaged": {}}
    (clone / ".cache/plan/dev/plan.json").write_text(json.dumps(plan))
    (clone / ".cache/plan/dev/plan.md").write_text(markdown)


def write_waiver(clone: Path, days: int) -> None:
    expires = datetime.now(UTC).date() + timedelta(days=days)
    waiver = {"rule": "ssh", "resource": "security group service", "reason": "The old agent", "expires": str(expires)}
    (clone / "inventories/dev/waivers.yml").write_text(json.dumps([waiver]))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--env", "dev"])


def test_an_error_is_named_and_has_a_status_of_its_own(clone: Path) -> None:
    done = run("policy")
    assert done.exit_code == EXIT_VIOLATED
    for part in ("error ssh: SSH can come in", f"security group service: {PORT}", "Keys are lost", "Remove the rule"):
        assert part in done.output
    write_plan(clone, {"ingress": {}})
    done = run("policy")
    assert (done.exit_code, done.output) == (0, "Guard rails of dev: no violations.\n")


def test_a_waiver_lets_it_pass_until_its_last_day(clone: Path) -> None:
    write_waiver(clone, days=0)
    assert run("policy").exit_code == 0
    write_waiver(clone, days=-2)
    done = run("policy")
    assert done.exit_code == EXIT_VIOLATED
    assert "expired on" in done.output


def test_a_warning_is_said_and_stops_nothing(clone: Path) -> None:
    (clone / "delivery/policy/rules.yml").write_text(RULES.replace("error", "warning"))
    done = run("policy")
    assert done.exit_code == 0
    assert "warning ssh" in done.output


def test_a_wrong_file_is_an_error_with_a_reason(clone: Path) -> None:
    (clone / "delivery/policy/rules.yml").write_text(RULES.replace("error", "fatal"))
    done = run("policy")
    assert done.exit_code == 1
    assert "Error: delivery/policy/rules.yml is not what it should be:" in done.output
    (clone / ".cache/plan/dev/plan.json").unlink()
    assert "there is no plan of dev yet: make plan ENV=dev" in run("policy").output


def test_the_comment_shows_the_findings_before_the_plan_and_a_review_says_what_it_shows(clone: Path) -> None:
    write_plan(clone, {"ingress": {PORT: ""}})
    assert run("comment").exit_code == 0
    shown = (clone / ".cache/plan/dev/comment.md").read_text()
    assert len(shown) <= LIMIT
    assert shown.index("Errors stop the merge") < shown.index(PORT) < shown.index("## Plan: dev")
    plan = json.loads((clone / ".cache/plan/dev/plan.json").read_text())
    assert read_review((clone / ".cache/plan/dev/review.json").read_bytes(), "dev").plan == reviewed_part(plan)


def test_the_comment_says_when_the_guard_rails_could_not_judge(clone: Path) -> None:
    (clone / "inventories/dev/waivers.yml").write_text("- {rule: ssh}")
    assert run("comment").exit_code == 0
    shown = (clone / ".cache/plan/dev/comment.md").read_text()
    assert "could not judge this: `inventories/dev/waivers.yml is not what it should be" in shown
    assert "## Plan: dev" in shown
