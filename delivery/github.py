"""GitHub, asked through `gh` with its credentials."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from delivery.errors import DeliveryError


class Refused(DeliveryError):
    """GitHub answered with an error; `status` is that of HTTP, 0 where gh says none."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Api(Protocol):
    """A call of GitHub's REST API."""

    def __call__(self, method: str, path: str, fields: Mapping[str, Any] | None = None) -> Any:
        """Return the decoded answer: of a GET whose path asks for a list, of all its pages."""


def gh(method: str, path: str, fields: Mapping[str, Any] | None = None) -> Any:
    """Call the API. Raises DeliveryError, or Refused with what GitHub complained of."""
    options = ["--paginate", "--slurp"] if method == "GET" else []
    options += ["--input", "-"] if fields is not None else []
    said = _run(["api", "--method", method, path, *options], f"{method} {path}", json.dumps(fields or {}).encode())
    answer = json.loads(said or "null")
    if method != "GET":
        return answer
    return joined(answer)


def gh_download(path: str) -> bytes:
    """Return what an address of the API sends, which is no JSON. Raises as `gh` does."""
    return _run(["api", "--method", "GET", path], f"GET {path}")


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


class PullRequests:
    """The pull requests of the repository on GitHub that a clone has as its origin. All of it raises as `gh` does."""

    def __init__(self, clone: Path) -> None:
        self._clone = clone

    def open_of(self, branch: str) -> str:
        """Return the address of the open pull request of a branch; "" where there is none."""
        return self._pr("list", "--head", branch, "--state", "open", "--json", "url", "--jq", ".[0].url")

    def create(self, arguments: Sequence[str]) -> str:
        """Open a pull request; return its address."""
        return self._pr("create", *arguments)

    def merged_with(self, commit: str) -> dict[str, Any] | None:
        """Return the merged pull request that has a commit: `url`, `mergedBy`, `reviews`."""
        fields = "url,mergedBy,reviews,commits,mergeCommit"
        found = json.loads(self._pr("list", "--state", "merged", "--search", commit, "--json", fields))
        # The search is one of texts: it also finds what only speaks of the commit.
        return next((each for each in found if commit in _commits(each)), None)

    def _pr(self, *arguments: str) -> str:
        return _run(["pr", *arguments], f"pr {arguments[0]}", cwd=self._clone).decode().strip()


def _commits(request: dict[str, Any]) -> set[str]:
    merged = (request.get("mergeCommit") or {}).get("oid")
    return {merged, *(each["oid"] for each in request.get("commits", []))}


def _run(arguments: list[str], what: str, given: bytes = b"", cwd: Path | None = None) -> bytes:
    try:
        done = subprocess.run(["gh", *arguments], input=given, cwd=cwd, capture_output=True, check=False, timeout=120)
    except FileNotFoundError:
        raise DeliveryError("gh is not installed; it is how GitHub is asked: https://cli.github.com") from None
    except subprocess.TimeoutExpired:
        raise DeliveryError(f"GitHub did not answer to {what} within two minutes") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        status = re.search(r"\(HTTP (\d+)\)", said)
        raise Refused(f"GitHub refused {what}: {said}", int(status[1]) if status else 0)
    return done.stdout
