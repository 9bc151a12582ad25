"""One comment for each environment on a pull request, one issue of its drift, and the settings that workflows read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gitops import comments, drift
from gitops.connect import Roles, connect
from gitops.errors import GitOpsError
from gitops.github import BOT, Repository, gh, joined
from tests.gitops.test_plans import THRESHOLD, plan

MARKDOWN = "## Plan: staging\n\n1 to be updated in place."


class FakeGitHub:
    """The part of GitHub's REST API that is used, for one repository; people other than the bot write with `by`."""

    def __init__(self) -> None:
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.issues: list[dict[str, Any]] = []
        self.pulls: dict[str, list[dict[str, Any]]] = {}
        self.environments: dict[str, Any] = {}
        self.variables: dict[str, dict[str, str]] = {}
        self.policies: list[tuple[str, str]] = []
        self.calls: list[tuple[str, str]] = []
        self.by = BOT

    def __call__(  # noqa: PLR0911, PLR0912 - one line for each route
        self, method: str, path: str, fields: Mapping[str, Any] | None = None
    ) -> Any:
        self.calls.append((method, path))
        parts = path.partition("?")[0].split("/")[3:]
        match (method, *parts):
            case ("GET", "issues", number, "comments"):
                return self.comments.get(int(number), [])
            case ("POST", "issues", number, "comments"):
                return self._add(self.comments.setdefault(int(number), []), fields)
            case ("PATCH", "issues", "comments", identity):
                everything = [item for items in self.comments.values() for item in items]
                return self._change(everything, int(identity), fields)
            case ("GET", "issues"):
                return [issue for issue in self.issues if issue.get("state") != "closed"]
            case ("POST", "issues"):
                return self._add(self.issues, fields)
            case ("PATCH", "issues", number):
                return self._change(self.issues, int(number), fields)
            case ("GET", "commits", revision, "pulls"):
                return self.pulls.get(revision, [])
            case ("GET", "environments"):
                return {"environments": [{"name": name} for name in self.environments]}
            case ("PUT", "environments", name):
                self.environments[name] = fields
                return {}
            case ("POST", "environments", name, "deployment-branch-policies"):
                self.policies.append((name, (fields or {})["name"]))
                return {}
            case ("GET", *where, "variables"):
                known = self.variables.get("/".join(where), {})
                return {"variables": [{"name": name, "value": value} for name, value in known.items()]}
            case ("POST", *where, "variables") | ("PATCH", *where, "variables", _):
                data = fields or {}
                self.variables.setdefault("/".join(where), {})[data["name"]] = data["value"]
                return {}
            case ("GET",):
                return {"id": 7}
        raise AssertionError((method, path))

    def _add(self, items: list[dict[str, Any]], fields: Mapping[str, Any] | None) -> dict[str, Any]:
        number = len(self.calls)
        item = {"id": number, "number": number, "user": {"login": self.by}, "html_url": f"https://github/{number}"}
        items.append(item | dict(fields or {}))
        return items[-1]

    def _change(self, items: list[dict[str, Any]], identity: int, fields: Mapping[str, Any] | None) -> dict[str, Any]:
        (item,) = (item for item in items if item["id"] == identity)
        item.update(fields or {})
        return item

    def merge(self, number: int, head: str, merged: str) -> None:
        self.pulls[merged] = [
            {
                **{"number": number, "merge_commit_sha": merged, "merged_at": "2026-01-01T00:00:00Z"},
                **{"head": {"sha": head}, "html_url": f"https://github/pull/{number}"},
            }
        ]


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


ROLES = Roles("arn:plan", "arn:deploy", "arn:destroy")


def test_connecting_makes_environments_that_only_main_deploys_to(github: FakeGitHub) -> None:
    assert list(connect("acme/pets", "production", ROLES, github))
    assert set(github.policies) == {("production", "main"), ("production-destroy", "main")}
    for name in ("production", "production-destroy"):
        assert github.environments[name]["reviewers"] == [{"type": "User", "id": 7}]
    assert github.variables["environments/production"] == {"AWS_ROLE_ARN": "arn:deploy"}
    assert github.variables["environments/production-destroy"] == {"AWS_ROLE_ARN": "arn:destroy"}


def test_staging_needs_no_approval_but_its_teardown_does(github: FakeGitHub) -> None:
    list(connect("acme/pets", "staging", ROLES, github))
    assert github.environments["staging"]["reviewers"] is None
    assert github.environments["staging-destroy"]["reviewers"]


def test_connecting_again_changes_nothing_and_another_environment_joins(github: FakeGitHub) -> None:
    list(connect("acme/pets", "staging", ROLES, github))
    assert list(connect("acme/pets", "staging", ROLES, github)) == []
    list(connect("acme/pets", "production", ROLES, github))
    known = json.loads(github.variables["actions"]["AWS_ENVIRONMENTS"])
    assert known == [{"env": "production", "plan_role": "arn:plan"}, {"env": "staging", "plan_role": "arn:plan"}]


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
    program.write_text("#!/bin/sh\necho 'HTTP 403' >&2\nexit 1\n")
    with pytest.raises(GitOpsError, match="HTTP 403"):
        gh("GET", "repos/a/b/issues")


def test_a_name_that_is_no_repository_is_refused() -> None:
    with pytest.raises(GitOpsError, match="GITHUB_REPOSITORY"):
        Repository("")
