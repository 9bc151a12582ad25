"""What a repository on GitHub shows of plans and of drift: pull requests, their comments, artefacts and issues."""

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from delivery.errors import DeliveryError
from delivery.github import Api, gh, gh_download
from delivery.plan import comments, drift
from delivery.plan.comments import PLAN_LIMIT, Review

# Who comments in a workflow's name: https://docs.github.com/actions/concepts/security/github_token
BOT = "github-actions[bot]"
# Whose code a run has run is told by the event that began it: `pull_request` takes the workflow from the pull request,
# `workflow_run` from the default branch only.
# https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows#workflow_run
PLAN_WORKFLOW, PLAN_EVENT = ".github/workflows/plan.yml", "pull_request"
REVIEW_WORKFLOW, REVIEW_EVENT = ".github/workflows/review.yml", "workflow_run"


@dataclass(frozen=True)
class Proposed:
    """The plan that the code of a pull request has made, as it left it."""

    number: int
    revision: str
    plan: bytes


def unpacked(archive: bytes, name: str) -> bytes:
    """Return a file of an artefact, in memory. Raises DeliveryError where it has no such file, or one that is too large."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened, opened.open(name) as file:
            content = file.read(PLAN_LIMIT + 1)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise DeliveryError(f"an artefact with {name} cannot be read: {error}") from None
    if len(content) > PLAN_LIMIT:
        raise DeliveryError(f"{name} of an artefact has more than {PLAN_LIMIT:,} bytes; merge less at once")
    return content


class Repository:
    """One repository on GitHub."""

    def __init__(self, name: str, api: Api = gh, download: Callable[[str], bytes] = gh_download) -> None:
        """`name`: owner/name. Raises DeliveryError if it is none."""
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            raise DeliveryError(f"'{name}' is no repository: set GITHUB_REPOSITORY to owner/name")
        self._name = name
        self._path = f"repos/{name}"
        self._api = api
        self._download = download

    def proposed(self, run: int, environment: str) -> Proposed | None:
        """Return the plan that a run of the workflow `plan` has left, of the pull request that it ran for.

        None where no open pull request ends with the commit any more: a later run has the plan of what was pushed since. Raises
        DeliveryError where the run is of another workflow, event or repository, or left no plan of the environment.
        """
        found = self._api("GET", f"{self._path}/actions/runs/{run}")
        if not self._is_of(found, PLAN_WORKFLOW, PLAN_EVENT):
            raise DeliveryError(f"{found['html_url']} is no run of {PLAN_WORKFLOW} for a pull request of {self._name}")
        owner, revision = self._name.partition("/")[0], found["head_sha"]
        head = f"{owner}:{quote(found['head_branch'])}"
        requests = self._api("GET", f"{self._path}/pulls?state=open&base=main&head={head}&per_page=100")
        mine = [one for one in requests if one["head"]["sha"] == revision and self._is_own(one["head"].get("repo"))]
        if not mine:
            return None
        name = f"plan-{environment}"
        artefacts = self._artefacts(f"{self._path}/actions/runs/{run}/artifacts", name)
        if not artefacts:
            raise DeliveryError(f"{found['html_url']} left no plan of {environment}: what it says is why; push again")
        return Proposed(mine[0]["number"], revision, self._content(artefacts[0], "plan.json"))

    def show(self, number: int, environment: str, text: str) -> dict[str, Any]:
        """Write a new comment to a pull request, in place of those that showed earlier plans of an environment; return it.

        Never over one that is there: of a comment that was edited nobody knows what people have read.
        """
        earlier = self._comments(number, environment)
        made: dict[str, Any] = self._api("POST", f"{self._path}/issues/{number}/comments", {"body": text})
        for comment in earlier:
            self._api("DELETE", f"{self._path}/issues/comments/{comment['id']}")
        return made

    def reviewed(self, revision: str, environment: str) -> Review | None:
        """Return the plan that was shown on the pull request that a commit of the main branch comes from.

        What it was, the artefact of a job of the main branch says, which no other run can write to; that it was shown, the
        comment. None where there is no pull request, or no plan of the environment was shown on it, as on one from a fork.
        Raises DeliveryError where what people could read is not, or not for sure, what was reviewed.
        """
        requests = self._api("GET", f"{self._path}/commits/{revision}/pulls")
        merged = [request for request in requests if request.get("merge_commit_sha") == revision and request["merged_at"]]
        if not merged:
            return None
        request = merged[0]
        head, number = request["head"]["sha"], request["number"]
        review = self._review(environment, head, number)
        if review is None:
            if self._comments(number, environment):
                raise DeliveryError(
                    f"{request['html_url']} shows a plan of {environment}, and of {head}, which was merged, there is no "
                    "review: the workflow review did not write it, had not ended, or its artefact has expired; wait for its "
                    "comment before a merge"
                )
            return None
        if review.revision != head:
            raise DeliveryError(f"the review of {environment} is of another commit than {head} of {request['html_url']}")
        self._check_shown(review, request)
        return review

    def _check_shown(self, review: Review, request: Mapping[str, Any]) -> None:
        """Raise DeliveryError unless the pull request shows what the review says that it showed, and did before the merge."""
        where = f"the plan of {review.environment} on {request['html_url']}"
        shown = self._comments(request["number"], review.environment)
        others = [comment["html_url"] for comment in shown if comment["id"] != review.comment]
        if others:
            raise DeliveryError(f"{where} has a rival that the workflow review did not write: {', '.join(others)}")
        if not shown:
            raise DeliveryError(f"{where} was deleted")
        (comment,) = shown
        if comment["body"] != review.text or comment["updated_at"] != comment["created_at"]:
            raise DeliveryError(f"{where} was edited after it was shown, so nobody knows what was read: {comment['html_url']}")
        if comment["created_at"] > request["merged_at"]:
            raise DeliveryError(f"{where} came after the merge; wait for the comment before a merge")

    def _review(self, environment: str, head: str, number: int) -> Review | None:
        """Return the last review of a commit that a job of the main branch has written for a pull request."""
        for artefact in self._artefacts(f"{self._path}/actions/artifacts", f"review-{environment}-{head}"):
            run = self._api("GET", f"{self._path}/actions/runs/{artefact['workflow_run']['id']}")
            if not self._is_of(run, REVIEW_WORKFLOW, REVIEW_EVENT):
                continue
            review = comments.read_review(self._content(artefact, "review.json"), environment)
            if review.number == number:  # one commit may be in several
                return review
        return None

    def _is_of(self, run: Mapping[str, Any], workflow: str, event: str) -> bool:
        """Tell whether a run is of a workflow and an event, of this repository's own code."""
        # The path may end with the name of the branch: https://docs.github.com/rest/actions/workflow-runs#get-a-workflow-run
        file = run["path"].partition("@")[0]
        return (file, run["event"]) == (workflow, event) and all(map(self._is_own, (run["repository"], run["head_repository"])))

    def _is_own(self, repository: Mapping[str, Any] | None) -> bool:
        return repository is not None and repository["full_name"].lower() == self._name.lower()

    def _artefacts(self, path: str, name: str) -> list[dict[str, Any]]:
        """Return the artefacts of a name that are still there, the newest first."""
        found = self._api("GET", f"{path}?name={quote(name)}&per_page=100")["artifacts"]
        return sorted(
            (one for one in found if one["name"] == name and not one["expired"]),
            key=lambda one: (one["created_at"], one["id"]),
            reverse=True,
        )

    def _content(self, artefact: Mapping[str, Any], name: str) -> bytes:
        return unpacked(self._download(f"{self._path}/actions/artifacts/{artefact['id']}/zip"), name)

    def report(self, environment: str, report: Mapping[str, Any], text: str) -> str:
        """Open, update or close the issue of an environment; return which of these was done, or "none"."""
        # GitHub lists pull requests among the issues.
        found = self._own(f"{self._path}/issues?state=open&per_page=100", drift.marker(environment))
        issue = min((one for one in found if "pull_request" not in one), key=lambda one: int(one["number"]), default=None)
        if issue is None:
            if not drift.drifted(report):
                return "none"
            self._api("POST", f"{self._path}/issues", {"title": f"Drift in {environment}", "body": text})
            return "open"
        number = issue["number"]
        if not drift.drifted(report):
            self._api("POST", f"{self._path}/issues/{number}/comments", {"body": "All is as Git wants it again."})
            self._api("PATCH", f"{self._path}/issues/{number}", {"state": "closed"})
            return f"close #{number}"
        if issue["body"] == text:
            return f"none #{number}"
        self._api("PATCH", f"{self._path}/issues/{number}", {"body": text})
        return f"update #{number}"

    def _comments(self, number: int, environment: str) -> list[dict[str, Any]]:
        return self._own(f"{self._path}/issues/{number}/comments?per_page=100", comments.marker(environment))

    def _own(self, path: str, begin: str) -> list[dict[str, Any]]:
        """Return the comments or issues of the workflows that begin with a marker."""
        found = self._api("GET", path)
        return [item for item in found if item["user"]["login"] == BOT and (item["body"] or "").startswith(begin)]
