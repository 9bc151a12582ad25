"""A release is pinned by a branch and a pull request, made alike by people and workflows, and made once."""

import os
from pathlib import Path

import pytest

from delivery.environment import Pin
from delivery.errors import DeliveryError
from delivery.release.pins import pin_file, read_pin
from delivery.release.proposal import Proposal, is_merged, propose
from tests.delivery.worlds import World, git

PIN = Pin("small", "1.0.0", f"sha256:{'a' * 64}")
BRANCH = "release/small-1.0.0-staging"


@pytest.fixture
def no_gh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A PATH with git and without gh."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("git", "git-upload-pack", "git-receive-pack", "sh"):
        found = next(Path(folder) / name for folder in os.environ["PATH"].split(":") if (Path(folder) / name).exists())
        (directory / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(directory))


def make_proposal(world: World, pin: Pin = PIN) -> Proposal:
    return propose(world.environment(), pin, "What it is.\n")


@pytest.mark.usefixtures("no_gh")
def test_the_branch_has_one_commit_with_the_pin_and_the_work_tree_stays(world: World) -> None:
    head, before = git(world.root, "rev-parse", "HEAD"), world.inventory.read_text()
    proposal = make_proposal(world)
    assert proposal.branch == BRANCH
    assert git(world.root, "log", "--format=%s", f"main..{BRANCH}") == "Release small 1.0.0 to staging"
    assert git(world.root, "diff", "--name-only", "main", BRANCH) == pin_file("staging").as_posix()
    pinned = git(world.root, "show", f"{BRANCH}:{pin_file('staging').as_posix()}")
    assert read_pin(pinned, "x") == PIN
    assert git(world.root, "ls-remote", "--heads", "origin", BRANCH)
    assert (git(world.root, "rev-parse", "HEAD"), world.inventory.read_text()) == (head, before)
    assert git(world.root, "status", "--porcelain") == ""
    assert len(git(world.root, "worktree", "list").splitlines()) == 1


@pytest.mark.usefixtures("no_gh")
def test_without_gh_the_exact_command_is_said(world: World) -> None:
    proposal = make_proposal(world)
    (command,) = proposal.commands
    assert proposal.url is None
    assert command.startswith(f"gh pr create --base main --head {BRANCH} --title 'Release small 1.0.0 to staging' --body-file ")
    assert Path(command.rpartition(" ")[2]).read_text() == "What it is.\n"


@pytest.mark.usefixtures("no_gh")
def test_an_origin_that_cannot_be_pushed_to_leaves_two_commands(world: World) -> None:
    hook = world.root.parent / "origin.git/hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert [command.split()[:3] for command in make_proposal(world).commands] == [
        ["git", "push", "origin"],
        ["gh", "pr", "create"],
    ]


@pytest.mark.usefixtures("no_gh")
def test_a_second_run_and_another_clone_use_the_branch_that_is_there(world: World) -> None:
    make_proposal(world)
    commit = git(world.root, "rev-parse", BRANCH)
    make_proposal(world)
    assert git(world.root, "rev-parse", BRANCH) == commit
    git(world.root, "branch", "--delete", "--force", BRANCH)
    make_proposal(world)
    assert git(world.root, "rev-parse", BRANCH) == commit


def test_the_pull_request_is_opened_once(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "bin" / "gh"
    stand_in.parent.mkdir()
    stand_in.write_text(
        f'#!/bin/sh\necho "$1 $2" >>{tmp_path}/asked\ncase "$1 $2" in\n'
        f'  "pr list") cat {tmp_path}/open 2>/dev/null || true ;;\n'
        f'  "pr create") echo https://github.com/o/r/pull/7 | tee {tmp_path}/open ;;\nesac\n'
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    first = make_proposal(world)
    assert first == Proposal(BRANCH, "https://github.com/o/r/pull/7", [])
    assert make_proposal(world) == first
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked.count("pr create") == 1


def test_a_dirty_tree_is_refused(world: World) -> None:
    (world.root / "roles").mkdir()
    (world.root / "roles" / "forgotten.yml").write_text("x")
    with pytest.raises(DeliveryError, match=r"the work tree has 1 changes \(roles/ …\): commit or remove them"):
        make_proposal(world)


def test_a_branch_with_another_digest_is_refused(world: World) -> None:
    make_proposal(world)
    with pytest.raises(DeliveryError, match=f"the branch {BRANCH} pins another model than .*; delete it"):
        make_proposal(world, Pin("small", "1.0.0", f"sha256:{'b' * 64}"))


def test_a_pin_counts_once_it_is_merged_and_checked_out(world: World) -> None:
    environment = world.environment()
    make_proposal(world)
    assert is_merged(environment, PIN) is False
    git(world.root, "checkout", "--quiet", BRANCH)
    assert is_merged(environment, PIN) is False
    git(world.root, "push", "--quiet", "origin", f"{BRANCH}:main")
    assert is_merged(environment, PIN) is True
    git(world.root, "checkout", "--quiet", "main")
    with pytest.raises(DeliveryError, match="merged into main and not in this work tree: git pull"):
        is_merged(environment, PIN)
