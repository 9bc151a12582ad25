"""Who decided a release: from the commit that pinned the model, and from GitHub where `gh` can be asked."""

import getpass
from pathlib import Path
from typing import Any

from delivery.environment import Environment, Pin
from delivery.errors import DeliveryError
from delivery.git import Clone
from delivery.github import PullRequests
from delivery.release.pins import pin_file
from delivery.release.record import Approval


def approval_of(environment: Environment, pin: Pin) -> Approval:
    """Return who wrote and who merged the pin; in the rehearsal, who released it."""
    if environment.is_local:
        return Approval(commit=None, author=getpass.getuser(), committer=getpass.getuser())
    query = ("-1", "--format=%H%n%an <%ae>%n%cn <%ce>", f"-S{pin.digest}", "--", pin_file(environment.name).as_posix())
    commit, author, committer = Clone(environment.root).run("log", *query).splitlines() or ["", "", ""]
    request = _pull_request(environment.root, commit) if commit else {}
    approvals = [review for review in request.get("reviews", []) if review["state"] == "APPROVED"]
    return Approval(
        commit=commit or None,
        author=author,
        committer=committer,
        pull_request=request.get("url"),
        merged_by=(request.get("mergedBy") or {}).get("login"),
        approved_by=sorted({review["author"]["login"] for review in approvals}),
    )


def _pull_request(root: Path, commit: str) -> dict[str, Any]:
    """Return what GitHub says of the merged pull request with a commit; empty where it cannot be asked."""
    try:
        return PullRequests(root).merged_with(commit) or {}
    except (DeliveryError, ValueError):
        return {}
