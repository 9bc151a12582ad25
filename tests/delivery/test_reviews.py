"""A merge applies what people could read on its pull request, and what only code of the main branch has shown them.

Who attacks here may push branches, run workflows of them, and write comments as the bot; may neither merge nor approve.
"""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from delivery import cli
from delivery.errors import DeliveryError
from delivery.plan import comments, reviews
from delivery.plan.decision import decide
from delivery.plan.reviews import REVIEW_WORKFLOW, Repository
from tests.delivery.fake_github import NAME, FakeGitHub
from tests.delivery.test_plans import RETENTION, THRESHOLD, change, field, plan

OPEN = change("service", field("ingress.all", None, "from 0.0.0.0/0"), kind="security group")
REVIEW = "review-staging-head"


@pytest.fixture
def fake() -> FakeGitHub:
    return FakeGitHub()


@pytest.fixture
def repository(fake: FakeGitHub) -> Repository:
    return Repository(NAME, fake, fake.download)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch, fake: FakeGitHub, tmp_path: Path) -> Callable[..., str]:
    """Does what the workflow review does for a run of the workflow plan; returns what it says."""
    monkeypatch.setattr(reviews, "Repository", functools.partial(Repository, api=fake, download=fake.download))
    monkeypatch.setenv("PLAN_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("PROPOSED", str(tmp_path / "proposed"))
    (tmp_path / "proposed").mkdir()
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    written = tmp_path / "review.json"

    def run(number: int, made: dict[str, Any], *options: str, revision: str = "head", **more: str) -> str:
        fake.propose(number, revision)
        proposing = fake.plan_run(revision, **more)
        fake.upload(proposing, "plan-staging", "plan.json", json.dumps(made).encode())
        done = CliRunner().invoke(
            cli.main, ["comment", "--env", "staging", "--repository", NAME, "--run", str(proposing), *options]
        )
        assert done.exit_code in (0, 1), done.exception
        if written.exists():
            fake.upload(fake.review_run(), f"review-staging-{revision}", "review.json", written.read_bytes())
            written.unlink()
        return done.output

    return run


def full(*changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return plan(*changes, **more) | {"resources": []}


def shown(fake: FakeGitHub, number: int = 5) -> str:
    (comment,) = fake.comments[number]
    return str(comment["body"])


def test_a_merge_finds_what_was_shown(fake: FakeGitHub, repository: Repository, work: Callable[..., str]) -> None:
    work(5, full(THRESHOLD))
    assert "| `threshold` | `80` | `90` |" in shown(fake)
    fake.merge(5, head="head", merged="main1")
    review = repository.reviewed("main1", "staging")
    assert review
    assert decide(review.plan, full(THRESHOLD)).go
    assert not decide(review.plan, full(RETENTION)).go
    assert repository.reviewed("main1", "production") is None
    assert repository.reviewed("pushed-without-a-request", "staging") is None


def test_each_plan_is_a_new_comment_in_place_of_the_one_before(
    fake: FakeGitHub, repository: Repository, work: Callable[..., str]
) -> None:
    work(5, full(THRESHOLD))
    work(5, full(RETENTION))
    assert "retention_days" in shown(fake)
    fake.merge(5, head="head", merged="main1")
    review = repository.reviewed("main1", "staging")
    assert review
    assert not decide(review.plan, full(THRESHOLD)).go


def test_another_pull_request_with_the_same_commit_stands_in_the_way_of_none(
    fake: FakeGitHub, repository: Repository, work: Callable[..., str]
) -> None:
    work(5, full(THRESHOLD))
    fake.open.clear()
    work(6, full(RETENTION), branch="topic")
    fake.merge(5, head="head", merged="main1")
    review = repository.reviewed("main1", "staging")
    assert review
    assert review.number == 5


def edit(fake: FakeGitHub, text: str) -> None:
    (comment,) = fake.comments[5]
    fake("PATCH", f"repos/{NAME}/issues/comments/{comment['id']}", {"body": text})


def edited(fake: FakeGitHub) -> None:
    edit(fake, "<!-- plan of staging -->\n\nNothing to change.")


def edited_and_back(fake: FakeGitHub) -> None:
    before = shown(fake)
    edited(fake)
    edit(fake, before)


def deleted(fake: FakeGitHub) -> None:
    fake.comments[5].clear()


def written_once_more(fake: FakeGitHub) -> None:
    fake("POST", f"repos/{NAME}/issues/5/comments", {"body": "<!-- plan of staging -->\n\nNothing to change."})


def replaced(fake: FakeGitHub) -> None:
    before = shown(fake)
    fake.comments[5].clear()
    fake("POST", f"repos/{NAME}/issues/5/comments", {"body": before})


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        (edited, "was edited after it was shown"),
        (edited_and_back, "was edited after it was shown"),
        (deleted, "was deleted"),
        (written_once_more, "has a rival"),
        (replaced, "has a rival"),
    ],
)
def test_a_comment_that_was_touched_since_is_no_review(
    fake: FakeGitHub, repository: Repository, work: Callable[..., str], attack: Callable[[FakeGitHub], None], reason: str
) -> None:
    work(5, full(OPEN))
    attack(fake)
    fake.merge(5, head="head", merged="main1")
    with pytest.raises(DeliveryError, match=reason):
        repository.reviewed("main1", "staging")


def test_a_plan_that_came_after_the_merge_was_read_by_nobody(
    fake: FakeGitHub, repository: Repository, work: Callable[..., str]
) -> None:
    fake.merge(5, head="head", merged="main1")
    work(5, full(OPEN))
    with pytest.raises(DeliveryError, match="came after the merge"):
        repository.reviewed("main1", "staging")


def test_a_plan_of_an_earlier_commit_is_not_what_was_merged(
    fake: FakeGitHub, repository: Repository, work: Callable[..., str]
) -> None:
    work(5, full(THRESHOLD), revision="earlier")
    fake.merge(5, head="head", merged="main1")
    with pytest.raises(DeliveryError, match=r"of head, which was merged, there is no review"):
        repository.reviewed("main1", "staging")
    # The artefact of the earlier commit, under the name of the merged one.
    fake.artefacts[-1]["name"] = REVIEW
    with pytest.raises(DeliveryError, match="of another commit than head"):
        repository.reviewed("main1", "staging")


@pytest.mark.parametrize(
    "forged",
    [
        {"path": ".github/workflows/plan.yml"},
        {"event": "pull_request"},
        {"event": "push"},
        {"event": "workflow_dispatch"},
        {"head_repository": {"full_name": "mallory/pets"}},
        {"repository": {"full_name": "mallory/pets"}},
        {"head_repository": None},
    ],
    ids=str,
)
def test_an_artefact_of_any_other_run_is_no_review(
    fake: FakeGitHub, repository: Repository, work: Callable[..., str], forged: dict[str, Any]
) -> None:
    work(5, full(THRESHOLD))
    review = comments.read_review(reviews.unpacked(fake.artefacts[-1]["content"], "review.json"), "staging")
    evil = review.model_copy(update={"plan": comments.review_of(full(OPEN), "head").plan})
    run = fake.review_run()
    fake.upload(run, REVIEW, "review.json", evil.model_dump_json().encode())
    fake.merge(5, head="head", merged="main1")
    found = repository.reviewed("main1", "staging")
    assert found == evil  # of a run of the main branch it would count
    fake.runs[run] |= forged
    assert repository.reviewed("main1", "staging") == review


def test_the_path_of_a_run_may_name_its_branch(fake: FakeGitHub, repository: Repository, work: Callable[..., str]) -> None:
    work(5, full(THRESHOLD))
    for run in fake.runs.values():
        run["path"] += "@main"
    fake.merge(5, head="head", merged="main1")
    assert repository.reviewed("main1", "staging")


def test_an_artefact_that_has_expired_is_a_reason_to_stop(
    fake: FakeGitHub, repository: Repository, work: Callable[..., str]
) -> None:
    work(5, full(THRESHOLD))
    fake.artefacts[-1]["expired"] = True
    fake.merge(5, head="head", merged="main1")
    with pytest.raises(DeliveryError, match="expired"):
        repository.reviewed("main1", "staging")


def test_a_forged_text_is_not_shown_and_a_forged_plan_is(fake: FakeGitHub, work: Callable[..., str]) -> None:
    # The code of a pull request says what it likes, but what it says is what people read, and the most that is applied.
    lie = full(OPEN) | {"summary": {}, "markdown": "Nothing to change.", "complete": True}
    work(5, lie)
    assert "ingress.all" in shown(fake)
    assert "Nothing to change" not in shown(fake)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        json.dumps(full(environment="production")).encode(),
        json.dumps(full(THRESHOLD | {"action": "nothing"})).encode(),
        json.dumps(full(THRESHOLD | {"fields": "none"})).encode(),
        json.dumps(full(THRESHOLD | {"name": "\ud800"})).encode(),
        b"[" * 100_000,
    ],
    ids=["empty", "list", "object", "another environment", "action", "fields", "half a character", "deep"],
)
def test_what_is_no_plan_is_refused_with_a_reason(document: bytes) -> None:
    with pytest.raises(DeliveryError, match="of staging"):
        comments.read_plan(document, "staging")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"event": "push"}, "is no run of"),
        ({"event": "workflow_dispatch"}, "is no run of"),
        ({"owner": "mallory"}, "is no run of"),
    ],
)
def test_the_plan_of_another_event_or_of_a_fork_is_not_shown(
    fake: FakeGitHub, work: Callable[..., str], more: dict[str, str], said: str
) -> None:
    assert said in work(5, full(THRESHOLD), **more)
    assert not fake.comments


def test_the_plan_of_a_commit_that_a_pull_request_no_longer_ends_with_is_not_shown(
    fake: FakeGitHub, work: Callable[..., str]
) -> None:
    assert "has gone on since" in work(5, full(THRESHOLD), branch="of-nobody")
    assert not fake.comments


def test_a_workflow_of_that_name_in_another_file_is_not_shown(fake: FakeGitHub, repository: Repository) -> None:
    fake.propose(5, "head")
    run = fake.run(".github/workflows/other.yml", "pull_request", "head", "topic")
    fake.upload(run, "plan-staging", "plan.json", json.dumps(full(THRESHOLD)).encode())
    with pytest.raises(DeliveryError, match="is no run of"):
        repository.proposed(run, "staging")
    run = fake.plan_run("head")
    with pytest.raises(DeliveryError, match="left no plan of staging"):
        repository.proposed(run, "staging")


def test_an_archive_is_not_unpacked_further_than_a_plan_is_long() -> None:
    fake = FakeGitHub()
    fake.upload(1, "plan-staging", "plan.json", b" " * (comments.PLAN_LIMIT + 1))
    with pytest.raises(DeliveryError, match="merge less at once"):
        reviews.unpacked(fake.artefacts[0]["content"], "plan.json")
    with pytest.raises(DeliveryError, match="cannot be read"):
        reviews.unpacked(b"no archive", "plan.json")
    with pytest.raises(DeliveryError, match="cannot be read"):
        reviews.unpacked(fake.artefacts[0]["content"], "review.json")


def test_a_link_out_of_what_is_proposed_is_not_followed(fake: FakeGitHub, work: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "proposed/inventories/staging").mkdir(parents=True)
    (tmp_path / "proposed/inventories/staging/a.yml").symlink_to("/proc/self/environ")
    said = work(5, full(THRESHOLD))
    assert "inventories/staging/a.yml is a link that leads out of the repository" in said
    assert not fake.comments


def test_a_long_plan_says_what_it_leaves_out_and_where_all_of_it_is(
    fake: FakeGitHub, work: Callable[..., str], tmp_path: Path
) -> None:
    many = [
        change(f"group-{number}", *(field(f"rule{n}", None, "x" * 60) for n in range(9)), action="create")
        for number in range(90)
    ]
    summary = tmp_path / "summary.md"
    work(5, full(*many, OPEN), "--summary", str(summary), "--whole-at", "all of it is in the summary of RUN")
    text = shown(fake)
    assert len(text) <= comments.LIMIT
    assert "are named only" in text
    assert "all of it is in the summary of RUN" in text
    assert text.index("ingress.all") < text.index("group-0")
    assert "group-89" in text
    assert all(f"group-{number}</code>" in summary.read_text() for number in range(90))
    assert text.count("<details>") == text.count("</details>")


def test_what_nobody_can_be_shown_is_refused() -> None:
    endless = full(change("a", field("description", None, "x" * comments.SUMMARY_LIMIT)))
    with pytest.raises(DeliveryError, match="merge less at once"):
        comments.whole(endless, "", "", "head")


def test_the_workflow_that_shows_is_the_one_that_is_asked_for() -> None:
    assert (Path(__file__).parents[2] / REVIEW_WORKFLOW).is_file()
