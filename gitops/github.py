"""The few things that are asked of GitHub, through `gh`."""

import json
import re
import subprocess
from collections.abc import Mapping
from typing import Any, Protocol

from gitops import comments, drift
from gitops.comments import Reviewed
from gitops.errors import GitOpsError

# Who comments in a workflow's name: https://docs.github.com/actions/concepts/security/github_token
BOT = "github-actions[bot]"


class Refused(GitOpsError):
    """GitHub answered with an error; `status` is that of HTTP, 0 where gh says none."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Api(Protocol):
    """A call of GitHub's REST API."""

    def __call__(self, method: str, path: str, fields: Mapping[str, Any] | None = None) -> Any:
        """Return the decoded answer: of a GET whose path asks for a list, of all its pages."""


def gh(method: str, path: str, fields: Mapping[str, Any] | None = None) -> Any:
    """Call the API with the credentials of `gh`. Raises GitOpsError, or Refused with what GitHub complained of."""
    command = ["gh", "api", "--method", method, path]
    if method == "GET":
        command += ["--paginate", "--slurp"]
    if fields is not None:
        command += ["--input", "-"]
    try:
        done = subprocess.run(
            command, input=json.dumps(fields or {}), capture_output=True, text=True, check=False, timeout=120
        )
    except FileNotFoundError:
        raise GitOpsError("gh is not installed; it is how GitHub is asked: https://cli.github.com") from None
    except subprocess.TimeoutExpired:
        raise GitOpsError(f"GitHub did not answer to {method} {path} within two minutes") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        status = re.search(r"\(HTTP (\d+)\)", said)
        raise Refused(f"GitHub refused {method} {path}: {said}", int(status[1]) if status else 0)
    answer = json.loads(done.stdout or "null")
    if method != "GET":
        return answer
    return joined(answer)


def joined(pages: list[Any]) -> Any:
    """Return the pages of an answer, as --slurp lists them, as one: lists, or objects that hold one, are put together."""
    if all(isinstance(page, list) for page in pages):
        return [item for page in pages for item in page]
    whole = dict(pages[0])
    for page in pages[1:]:
        for key, value in page.items():
            if isinstance(value, list):
                whole[key] = whole[key] + value
    return whole


class Repository:
    """One repository on GitHub."""

    def __init__(self, name: str, api: Api = gh) -> None:
        """`name`: owner/name. Raises GitOpsError if it is none."""
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            raise GitOpsError(f"'{name}' is no repository: set GITHUB_REPOSITORY to owner/name")
        self._path = f"repos/{name}"
        self._api = api

    def show(self, number: int, environment: str, text: str) -> str:
        """Write the comment of an environment to a pull request, or over the one that is there; return its address."""
        present = self._comment(number, environment)
        if present is None:
            answer = self._api("POST", f"{self._path}/issues/{number}/comments", {"body": text})
        elif present["body"] == text:
            answer = present
        else:
            answer = self._api("PATCH", f"{self._path}/issues/comments/{present['id']}", {"body": text})
        return str(answer["html_url"])

    def reviewed(self, revision: str, environment: str) -> Reviewed | None:
        """Return the plan that was shown on the pull request that a commit of the main branch comes from.

        Returns:
            None: no pull request, or no plan of the environment on it, as on one from a fork.

        Raises:
            GitOpsError: the plan is not of the last commit that was reviewed, or was changed by hand.
        """
        requests = self._api("GET", f"{self._path}/commits/{revision}/pulls")
        merged = [
            request for request in requests if request.get("merge_commit_sha") == revision and request["merged_at"]
        ]
        if not merged:
            return None
        request = merged[0]
        present = self._comment(request["number"], environment)
        found = comments.carried(present["body"], environment) if present else None
        if found is not None and found.revision != request["head"]["sha"]:
            raise GitOpsError(
                f"the plan of {environment} on {request['html_url']} is of {found.revision}, and {request['head']['sha']} was "
                "merged; wait for the workflow plan before a merge"
            )
        return found

    def report(self, environment: str, report: Mapping[str, Any], text: str) -> drift.Step:
        """Open, update or close the issue of an environment; return what was done."""
        issues = self._api("GET", f"{self._path}/issues?state=open&per_page=100")
        mine = [issue for issue in issues if issue["user"]["login"] == BOT]
        done = drift.step(report, mine, text)
        if done.action == "open":
            self._api("POST", f"{self._path}/issues", {"title": drift.title(environment), "body": text})
        elif done.action == "update":
            self._api("PATCH", f"{self._path}/issues/{done.number}", {"body": text})
        elif done.action == "close":
            self._api("POST", f"{self._path}/issues/{done.number}/comments", {"body": "All is as Git wants it again."})
            self._api("PATCH", f"{self._path}/issues/{done.number}", {"state": "closed"})
        return done

    def _comment(self, number: int, environment: str) -> Any:
        found = self._api("GET", f"{self._path}/issues/{number}/comments?per_page=100")
        begin = comments.marker(environment)
        return next((item for item in found if item["user"]["login"] == BOT and item["body"].startswith(begin)), None)
