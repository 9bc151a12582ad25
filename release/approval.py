"""Who decided a release: from the commit that pinned the model, and from GitHub where `gh` can be asked."""

import getpass
import json
import subprocess
from typing import Any

from release.environment import Environment, Pin
from release.git import Repository
from release.pins import pin_file
from release.record import Approval


def approval_of(environment: Environment, pin: Pin) -> Approval:
    """Return who wrote and who merged the pin; in the rehearsal, who released it."""
    repository = Repository(environment.root)
    if environment.is_local:
        return Approval(commit=None, author=getpass.getuser(), committer=getpass.getuser())
    path = pin_file(environment.name).as_posix()
    said = repository.run("log", "-1", "--format=%H%n%an <%ae>%n%cn <%ce>", f"-S{pin.digest}", "--", path).splitlines()
    commit, author, committer = said or ["", "", ""]
    request = _pull_request(repository, commit) if commit else {}
    return Approval(
        commit=commit or None,
        author=author,
        committer=committer,
        pull_request=request.get("url"),
        merged_by=(request.get("mergedBy") or {}).get("login"),
        approved_by=sorted(
            {review["author"]["login"] for review in request.get("reviews", []) if review["state"] == "APPROVED"}
        ),
    )


def _pull_request(repository: Repository, commit: str) -> dict[str, Any]:
    """Return what GitHub says of the merged pull request with a commit; empty where it cannot be asked."""
    fields = "url,mergedBy,reviews,commits,mergeCommit"
    command = ["gh", "pr", "list", "--state", "merged", "--search", commit, "--json", fields]
    try:
        done = subprocess.run(command, cwd=repository.root, capture_output=True, text=True, check=False)
        found: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 else []
    except (FileNotFoundError, ValueError):
        return {}
    # The search is one of texts: it also finds what only speaks of the commit.
    own = [each for each in found if commit in _commits(each)]
    return own[0] if own else {}


def _commits(request: dict[str, Any]) -> set[str]:
    merged = (request.get("mergeCommit") or {}).get("oid")
    return {merged, *(each["oid"] for each in request.get("commits", []))}
