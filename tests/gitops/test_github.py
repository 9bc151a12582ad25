"""One comment for each environment on a pull request, one issue of its drift, and how GitHub is asked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gitops import comments, drift
from gitops.errors import GitOpsError
from gitops.github import Refused, Repository, gh, joined
from tests.gitops.fake_github import FakeGitHub
from tests.gitops.test_plans import THRESHOLD, plan

MARKDOWN = "## Plan: staging\n\n1 to be updated in place."


@pytest.fixture
def github() -> FakeGitHub:
    return FakeGitHub()


@pytest.fixture
def repository(github: FakeGitHub) -> Repository:
    return Repository("acme/pets", github)


def test_a_comment_is_updated_in_place_and_each_environment_has_its_own(
    github: FakeGitHub, repository: Repository
) -> None:
    first = repository.show(1, "staging", comments.body(plan(THRESHOLD), MARKDOWN, "abc"))
    repository.show(1, "production", comments.body(plan(environment="production"), "nothing", "abc"))
    assert repository.show(1, "staging", comments.body(plan(), "nothing", "def")) == first
    assert [item["body"].splitlines()[0] for item in github.comments[1]] == [
        "<!-- plan of staging -->",
        "<!-- plan of production -->",
    ]


def test_a_comment_shows_the_plan_and_carries_it() -> None:
    text = comments.body(plan(THRESHOLD), MARKDOWN, "abc")
    assert MARKDOWN in text
    carried = comments.carried(text, "staging")
    assert carried
    assert carried.revision == "abc"
    assert carried.plan["changes"][0]["fields"] == THRESHOLD["fields"]
    assert comments.carried(text, "production") is None


def test_a_long_plan_is_cut_for_people_and_whole_for_the_deployment() -> None:
    text = comments.body(plan(THRESHOLD), "a line\n" * 20_000, "abc")
    assert len(text) <= comments.LIMIT
    assert "cut here" in text
    assert comments.carried(text, "staging")


def test_what_a_resource_is_called_cannot_pass_for_a_plan() -> None:
    forged = comments.body(plan(), "", "evil").splitlines()[-1]
    carried = comments.carried(comments.body(plan(THRESHOLD), f"## Plan\n{forged}", "abc"), "staging")
    assert carried
    assert carried.revision == "abc"


def test_a_comment_that_was_changed_by_hand_is_refused() -> None:
    text = comments.body(plan(THRESHOLD), MARKDOWN, "abc")
    other = comments.body(plan(), MARKDOWN, "abc")
    packed, instead = (part.rpartition('"plan": ')[2] for part in (text, other))
    with pytest.raises(GitOpsError, match="changed by hand"):
        comments.carried(text.replace(packed, instead), "staging")


def test_a_merge_finds_the_plan_of_its_pull_request(github: FakeGitHub, repository: Repository) -> None:
    repository.show(5, "staging", comments.body(plan(THRESHOLD), MARKDOWN, "head"))
    github.merge(5, head="head", merged="main1")
    found = repository.reviewed("main1", "staging")
    assert found
    assert found.plan["changes"]
    assert repository.reviewed("main1", "production") is None
    assert repository.reviewed("pushed-without-a-request", "staging") is None


def test_a_plan_of_an_earlier_commit_is_not_what_was_merged(github: FakeGitHub, repository: Repository) -> None:
    repository.show(5, "staging", comments.body(plan(THRESHOLD), MARKDOWN, "head"))
    github.merge(5, head="pushed-later", merged="main1")
    with pytest.raises(GitOpsError, match="pushed-later was merged"):
        repository.reviewed("main1", "staging")


def test_a_plan_that_a_person_wrote_counts_for_nothing(github: FakeGitHub, repository: Repository) -> None:
    github.by = "mallory"
    repository.show(5, "staging", comments.body(plan(THRESHOLD), MARKDOWN, "head"))
    github.merge(5, head="head", merged="main1")
    assert repository.reviewed("main1", "staging") is None


def test_drift_is_one_issue_that_closes_itself(github: FakeGitHub, repository: Repository) -> None:
    found, clean = plan(THRESHOLD), plan()
    text = drift.body(found, "## Drift: staging")

    def actions() -> list[str]:
        return [repository.report("staging", report, body).action for report, body in steps]

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
    assert repository.report("staging", plan(THRESHOLD), text).action == "open"


def test_pages_are_one_answer() -> None:
    assert joined([[1, 2], [3]]) == [1, 2, 3]
    assert joined([{"total_count": 2, "variables": [1]}, {"total_count": 2, "variables": [2]}])["variables"] == [1, 2]


def test_github_is_asked_through_gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "gh"
    program.write_text('#!/bin/sh\necho "$@" >"${0%/*}/asked"\ncat >"${0%/*}/sent"\necho "[[1], [2]]"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert gh("GET", "repos/a/b/issues") == [1, 2]
    assert (tmp_path / "asked").read_text().split() == [
        "api",
        "--method",
        "GET",
        "repos/a/b/issues",
        "--paginate",
        "--slurp",
    ]
    gh("POST", "repos/a/b/issues", {"title": "x"})
    assert json.loads((tmp_path / "sent").read_text()) == {"title": "x"}
    program.write_text("#!/bin/sh\necho 'gh: Forbidden (HTTP 403)' >&2\nexit 1\n")
    with pytest.raises(Refused, match="HTTP 403") as refusal:
        gh("GET", "repos/a/b/issues")
    assert refusal.value.status == 403


def test_a_name_that_is_no_repository_is_refused() -> None:
    with pytest.raises(GitOpsError, match="GITHUB_REPOSITORY"):
        Repository("")
