"""Who approved a release is said by the request that brought its commit, and by no other that speaks of it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from delivery.environment import Pin
from delivery.release.approval import approval_of
from tests.delivery.worlds import World, git

PIN = Pin("small", "1.0.0", f"sha256:{'a' * 64}")


def request(number: int, *commits: str, merged_as: str = "") -> dict[str, Any]:
    return {
        **{"url": f"https://github.com/o/r/pull/{number}", "mergedBy": {"login": f"merger-{number}"}},
        "reviews": [{"state": "APPROVED", "author": {"login": f"reviewer-{number}"}}],
        "commits": [{"oid": commit} for commit in commits],
        "mergeCommit": {"oid": merged_as} if merged_as else None,
    }


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `gh pr list` answers, whatever it is asked."""
    answer, program = tmp_path / "answer", tmp_path / "bin/gh"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return answer


def test_the_request_with_the_commit_is_the_approval(world: World, github: Path) -> None:
    world.pin(PIN)
    commit = git(world.root, "rev-parse", "HEAD")
    for own in (request(2, "b" * 40, commit), request(2, "b" * 40, merged_as=commit)):
        github.write_text(json.dumps([request(1, "c" * 40), own]))
        approval = approval_of(world.environment(), PIN)
        assert (approval.commit, approval.pull_request) == (commit, "https://github.com/o/r/pull/2")
        assert (approval.merged_by, approval.approved_by) == ("merger-2", ["reviewer-2"])
    github.write_text(json.dumps([request(1, "c" * 40)]))
    assert approval_of(world.environment(), PIN).pull_request is None


def test_without_a_commit_no_request_is_the_approval(world: World, github: Path) -> None:
    github.write_text(json.dumps([request(1, "", merged_as="")]))
    approval = approval_of(world.environment(), PIN)
    assert (approval.commit, approval.pull_request, approval.approved_by) == (None, None, [])
