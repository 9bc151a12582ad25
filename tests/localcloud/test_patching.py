"""What is corrected in moto is given back to whoever uses moto afterwards in the same process."""

from pathlib import Path
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup

from localcloud.account import Account
from localcloud.corrections import patching
from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam, addition, correction
from localcloud.hosts.driver import NoHosts
from localcloud.settings import Settings

OTHERWISE = Difference("says own", aws="https://docs.aws.amazon.com/", upstream=NOT_REPORTED)
ALSO = Seam("the test adds it")


class Base:
    def inherited(self) -> str:
        return "inherited"


class Owner(Base):
    def own(self) -> str:
        return "own"


def correct() -> None:
    @correction(Owner, "own", OTHERWISE)
    def own(original: Any, self: Any) -> str:
        return f"corrected {original(self)}"

    @correction(Owner, "inherited", OTHERWISE, ALSO)
    def inherited(original: Any, self: Any) -> str:
        return f"corrected {original(self)}"

    @addition(Owner, "added", ALSO)
    def added(self: Any) -> str:
        return "added"


def test_a_correction_starts_from_the_original_however_often_it_is_applied() -> None:
    correct()
    correct()
    assert [Owner().own(), Owner().inherited()] == ["corrected own", "corrected inherited"]
    patching.restore()


def test_restoring_leaves_nothing_behind() -> None:
    before = dict(vars(Owner))
    correct()
    assert patching.reasons() == {OTHERWISE, ALSO}
    patching.restore()
    assert not patching.reasons()
    assert dict(vars(Owner)) == before
    assert Owner().inherited() == "inherited"
    patching.restore()


def test_an_account_that_is_closed_leaves_moto_as_it_was(tmp_path: Path) -> None:
    before = dict(vars(FakeAutoScalingGroup))
    account = Account(Settings(root=tmp_path, api_port=0), NoHosts())
    assert dict(vars(FakeAutoScalingGroup)) != before
    account.open()
    account.close()
    assert dict(vars(FakeAutoScalingGroup)) == before
