"""The branch and the pull request that pin a model in an inventory. A person and a workflow make them alike."""

import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

from bundle.manifest import Manifest
from release.candidate import Candidate
from release.environment import Environment, Pin
from release.errors import ReleaseError
from release.gate import Image
from release.git import Repository
from release.pins import pin_file, read_pin, rewrite


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
    """Tell whether the pin is in the work tree's commit and in the branch that releases are merged into.

    Raises:
        ReleaseError: the merged pin is not checked out here.
    """
    repository, path = Repository(environment.root), pin_file(environment.name)
    name, commit = repository.base()
    if read_pin(repository.content(commit, path), path.as_posix()) != pin:
        return False
    if read_pin(repository.content("HEAD", path), path.as_posix()) != pin:
        raise ReleaseError(f"{pin} is merged into {name} and not in this work tree: git pull, and run the same again")
    return True


def propose(environment: Environment, pin: Pin, body: str) -> Proposal:
    """Pin the model on a branch of its own, push it and open a pull request. What is there already is used.

    Raises:
        ReleaseError: the work tree has changes, or the branch pins something else.
    """
    repository = Repository(environment.root)
    repository.refuse_changes()
    path, branch = pin_file(environment.name), branch_of(environment.name, pin)
    base, commit = repository.base()
    title = f"Release {pin.name} {pin.version} to {environment.name}"
    present = repository.find_branch(branch)
    if present is None:
        with repository.worktree(commit) as tree:
            file = tree / path
            file.write_text(rewrite(file.read_text(), pin, path.as_posix()))
            repository.run(
                "commit", "--quiet", "--message", f"{title}\n\n{pin.digest}", "--", path.as_posix(), cwd=tree
            )
            repository.run("branch", branch, repository.run("rev-parse", "HEAD", cwd=tree))
    elif read_pin(repository.content(present, path), path.as_posix()) != pin:
        raise ReleaseError(
            f"the branch {branch} pins another model than {pin}; delete it (git branch -D {branch}, git push origin --delete "
            f"{branch}) and run the same again"
        )
    saved = environment.root / ".cache" / "releases" / f"{branch.replace('/', '-')}.md"
    saved.parent.mkdir(parents=True, exist_ok=True)
    saved.write_text(body)
    return _publish(repository, branch, base, title, saved)


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
        candidate=candidate,
        manifest=candidate.manifest,
        environment=environment,
        image=image,
        pinned=pinned,
        metrics=metrics,
    )


def _publish(repository: Repository, branch: str, base: str, title: str, body: Path) -> Proposal:
    push = ["git", "push", "origin", branch]
    create = ["gh", "pr", "create", "--base", base, "--head", branch, "--title", title, "--body-file", str(body)]
    if not repository.has_remote():
        return Proposal(branch, None, [f"git merge {branch}"])
    if not repository.succeeds(*push[1:], "--quiet"):
        return Proposal(branch, None, [shlex.join(push), shlex.join(create)])
    if shutil.which("gh") is None or _gh(repository, "auth", "status") is None:
        return Proposal(branch, None, [shlex.join(create)])
    url = _gh(repository, "pr", "list", "--head", branch, "--state", "open", "--json", "url", "--jq", ".[0].url")
    url = url or _gh(repository, *create[1:])
    return Proposal(branch, url, []) if url else Proposal(branch, None, [shlex.join(create)])


def _gh(repository: Repository, *arguments: str) -> str | None:
    """Return what gh printed; None when it failed."""
    done = subprocess.run(["gh", *arguments], cwd=repository.root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
