"""The branch and the pull request that pin a model in an inventory. A person and a workflow make them alike."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

from bundle.manifest import Manifest
from delivery.environment import Environment, Pin
from delivery.errors import DeliveryError
from delivery.git import Clone
from delivery.github import PullRequests
from delivery.release.candidate import Candidate
from delivery.release.gate import Image
from delivery.release.pins import pin_file, read_pin, rewrite


@dataclass(frozen=True)
class Proposal:
    """A branch with one commit that pins the model.

    Attributes:
        url: of the pull request; None where it could not be opened here.
        commands: what a person still has to run.
    """

    branch: str
    url: str | None
    commands: list[str]


def branch_of(environment: str, pin: Pin) -> str:
    return f"release/{pin.name}-{pin.version}-{environment}"


def is_merged(environment: Environment, pin: Pin) -> bool:
    """Tell whether the pin is in the branch that releases are merged into. Raises DeliveryError where it is not checked out."""
    clone, path = Clone(environment.root), pin_file(environment.name)
    name, commit = clone.base()
    if read_pin(clone.content(commit, path), path.as_posix()) != pin:
        return False
    if read_pin(clone.content("HEAD", path), path.as_posix()) != pin:
        raise DeliveryError(f"{pin} is merged into {name} and not in this work tree: git pull, and run the same again")
    return True


def propose(environment: Environment, pin: Pin, body: str) -> Proposal:
    """Pin the model on a branch of its own, push it and open a pull request. What is there already is used.

    Raises DeliveryError where the work tree has changes, or the branch pins something else.
    """
    clone = Clone(environment.root)
    clone.refuse_changes()
    path, branch = pin_file(environment.name), branch_of(environment.name, pin)
    base, commit = clone.base()
    title = f"Release {pin.name} {pin.version} to {environment.name}"
    present = clone.find_branch(branch)
    if present is None:
        with clone.worktree(commit) as tree:
            file = tree / path
            file.write_text(rewrite(file.read_text(), pin, path.as_posix()))
            clone.run("commit", "--quiet", "--message", f"{title}\n\n{pin.digest}", "--", path.as_posix(), cwd=tree)
            clone.run("branch", branch, clone.run("rev-parse", "HEAD", cwd=tree))
    elif read_pin(clone.content(present, path), path.as_posix()) != pin:
        raise DeliveryError(
            f"the branch {branch} pins another model than {pin}; delete it (git branch -D {branch}, git push origin --delete "
            f"{branch}) and run the same again"
        )
    saved = environment.root / ".cache" / "releases" / f"{branch.replace('/', '-')}.md"
    saved.parent.mkdir(parents=True, exist_ok=True)
    saved.write_text(body)
    return _publish(clone, branch, base, title, saved)


def describe(candidate: Candidate, environment: Environment, image: Image, pinned: Manifest | None) -> str:
    """Return the text of the pull request: what the model is, what was checked, what changes."""
    templates = Templates(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - Markdown, of values that the manifest's rules have checked
    )
    before = pinned.metrics if pinned else {}
    metrics = [
        (name, before.get(name), candidate.manifest.metrics.get(name))
        for name in sorted({*before, *candidate.manifest.metrics})
    ]
    return templates.get_template("pull_request.md.j2").render(
        candidate=candidate, manifest=candidate.manifest, environment=environment, image=image, pinned=pinned, metrics=metrics
    )


def _publish(clone: Clone, branch: str, base: str, title: str, body: Path) -> Proposal:
    arguments = ["--base", base, "--head", branch, "--title", title, "--body-file", str(body)]
    push, create = shlex.join(["git", "push", "origin", branch]), shlex.join(["gh", "pr", "create", *arguments])
    if not clone.has_remote():
        return Proposal(branch, None, [f"git merge {branch}"])
    if not clone.succeeds("push", "origin", branch, "--quiet"):
        return Proposal(branch, None, [push, create])
    requests = PullRequests(clone.root)
    try:
        return Proposal(branch, requests.open_of(branch) or requests.create(arguments), [])
    except DeliveryError:  # gh is not there, not logged in, or refused; a person may do better
        return Proposal(branch, None, [create])
