"""The few things that a delivery asks of Git."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from delivery.errors import DeliveryError


class Clone:
    """A clone, with its work tree."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run git; return what it printed, without white space around it. Raises DeliveryError with what it complained of."""
        return self._output(*arguments, cwd=cwd).strip()

    def succeeds(self, *arguments: str) -> bool:
        """Run git; tell whether its exit status was 0."""
        return self._try(*arguments).returncode == 0

    def refuse_changes(self) -> None:
        """Raises DeliveryError when the work tree is not exactly its commit: what is released has to be in Git."""
        changed = self.run("status", "--porcelain").splitlines()
        if changed:
            raise DeliveryError(
                f"the work tree has {len(changed)} changes ({changed[0][3:]} …): commit or remove them, so that the release is "
                "made of what is in Git"
            )

    def revision(self) -> str:
        """Return the commit of the work tree, with `-dirty` where it was changed; "unknown" outside of Git."""
        done = self._try("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
        return done.stdout.strip() or "unknown"

    def has_remote(self) -> bool:
        return self.succeeds("remote", "get-url", "origin")

    def base(self) -> tuple[str, str]:
        """Return name and newest commit of the branch that releases are merged into: origin's, or here without one."""
        if not self.has_remote():
            return self.run("rev-parse", "--abbrev-ref", "HEAD"), self.run("rev-parse", "HEAD")
        listed = self.run("ls-remote", "--symref", "origin", "HEAD").splitlines()
        heads = [line.split()[1].removeprefix("refs/heads/") for line in listed if line.startswith("ref:")]
        if not heads:
            raise DeliveryError("the remote origin has no default branch; set one there")
        self.run("fetch", "--quiet", "origin", heads[0])
        return heads[0], self.run("rev-parse", "FETCH_HEAD")

    def content(self, revision: str, path: Path) -> str:
        """Return a file as it is in a commit."""
        return self._output("show", f"{revision}:{path.as_posix()}")

    def find_branch(self, name: str) -> str | None:
        """Return the commit of a branch, here or on origin; None if there is no such branch."""
        if self.succeeds("rev-parse", "--verify", "--quiet", f"refs/heads/{name}"):
            return self.run("rev-parse", f"refs/heads/{name}")
        if self.has_remote() and self.run("ls-remote", "--heads", "origin", f"refs/heads/{name}"):
            self.run("fetch", "--quiet", "origin", f"refs/heads/{name}:refs/heads/{name}")
            return self.run("rev-parse", f"refs/heads/{name}")
        return None

    @contextmanager
    def worktree(self, commit: str) -> Iterator[Path]:
        """Check a commit out beside the work tree, which stays as it is, and remove it again."""
        with TemporaryDirectory(prefix="release-") as scratch:
            path = Path(scratch) / "tree"
            self.run("worktree", "add", "--quiet", "--detach", str(path), commit)
            try:
                yield path
            finally:
                self.run("worktree", "remove", "--force", str(path))

    def _output(self, *arguments: str, cwd: Path | None = None) -> str:
        done = self._try(*arguments, cwd=cwd)
        if done.returncode:
            raise DeliveryError(f"git {arguments[0]} failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def _try(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *arguments], cwd=cwd or self.root, capture_output=True, text=True, check=False)
