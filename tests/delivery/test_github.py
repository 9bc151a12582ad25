"""One issue of an environment's drift, and how GitHub is asked."""

import json
import os
from pathlib import Path

import pytest

from delivery.errors import DeliveryError
from delivery.github import Refused, gh, gh_download, joined
from delivery.plan import drift
from delivery.plan.reviews import Repository
from tests.delivery.fake_github import FakeGitHub
from tests.delivery.test_plans import THRESHOLD, plan


@pytest.fixture
def github() -> FakeGitHub:
    return FakeGitHub()


@pytest.fixture
def repository(github: FakeGitHub) -> Repository:
    return Repository("acme/pets", github)


def test_drift_is_one_issue_that_closes_itself(github: FakeGitHub, repository: Repository) -> None:
    found, clean = plan(THRESHOLD), plan()
    text = drift.body(found, "## Drift: staging")

    def actions() -> list[str]:
        return [repository.report("staging", report, body).split()[0] for report, body in steps]

    steps = [(clean, ""), (found, text), (found, text), (found, text + "more"), (clean, ""), (found, text)]
    assert actions() == ["none", "open", "none", "update", "close", "open"]
    assert [issue.get("state", "open") for issue in github.issues] == ["closed", "open"]
    assert github.issues[0]["title"] == "Drift in staging"


def test_what_could_not_be_looked_at_is_drift() -> None:
    assert drift.drifted(plan(problems=("no answer",)))
    assert not drift.drifted(plan())


def test_pull_requests_are_no_issues_of_drift(github: FakeGitHub, repository: Repository) -> None:
    text = drift.body(plan(THRESHOLD), "")
    github._add(github.issues, {"body": text, "pull_request": {}})
    assert repository.report("staging", plan(THRESHOLD), text) == "open"


def test_pages_are_one_answer() -> None:
    assert joined([[1, 2], [3]]) == [1, 2, 3]
    assert joined([{"total_count": 2, "variables": [1]}, {"total_count": 2, "variables": [2]}])["variables"] == [1, 2]


def test_github_is_asked_through_gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "gh"
    program.write_text('#!/bin/sh\necho "$@" >"${0%/*}/asked"\ncat >"${0%/*}/sent"\necho "[[1], [2]]"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert gh("GET", "repos/a/b/issues") == [1, 2]
    assert gh_download("repos/a/b/zip") == b"[[1], [2]]\n"
    gh("GET", "repos/a/b/issues")
    assert (tmp_path / "asked").read_text().split() == ["api", "--method", "GET", "repos/a/b/issues", "--paginate", "--slurp"]
    gh("POST", "repos/a/b/issues", {"title": "x"})
    assert json.loads((tmp_path / "sent").read_text()) == {"title": "x"}
    program.write_text("#!/bin/sh\necho 'gh: Forbidden (HTTP 403)' >&2\nexit 1\n")
    with pytest.raises(Refused, match="HTTP 403") as refusal:
        gh("GET", "repos/a/b/issues")
    assert refusal.value.status == 403


def test_a_name_that_is_no_repository_is_refused() -> None:
    with pytest.raises(DeliveryError, match="GITHUB_REPOSITORY"):
        Repository("")
