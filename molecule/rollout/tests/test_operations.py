"""Operations of playbooks/operate under load that take minutes; the short ones are in molecule/rehearsal/tests."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import fleet
import rehearsal
from operations import does, is_refused
from traffic import Traffic
from witness import Witness

Watched = Callable[..., AbstractContextManager[tuple[Traffic, Witness]]]


def states() -> dict[str, str]:
    """Return the life-cycle state of each member."""
    return {member["InstanceId"]: member["LifecycleState"] for member in fleet.group()["Instances"]}


def test_a_look_changes_nothing() -> None:
    before = states()
    for intent in ("restart", "replace"):
        does(intent, check="yes")
    does("drain", host=min(before), check="yes")
    does("scale", desired="3", check="yes")
    assert states() == before
    assert fleet.is_whole()


def test_a_host_is_drained_and_returns_and_the_group_is_scaled_back_and_no_request_fails(watched: Watched) -> None:
    aside = fleet.in_the_next_ones_zone()
    size = fleet.group()["DesiredCapacity"]
    with watched() as (traffic, _):
        does("drain", host=aside)
        assert states()[aside] == "Standby"
        assert (aside in fleet.healthy_targets(), len(fleet.healthy_targets())) == (False, size)
        does("reboot", host=aside)
        assert re.search(rf"{aside} us-east-1[ab] Standby - ", does("status"))
        does("return", host=aside)
        assert aside in fleet.healthy_targets()
        assert len(fleet.healthy_targets()) == size + 1
        assert "CONFIRM=local" in is_refused("scale", desired=str(size))
        does("scale", desired=str(size), confirm="local")
        assert fleet.is_whole()
    assert len(traffic.requests) > 50
    assert traffic.failed == [], traffic.messages


def test_every_host_is_rebuilt_and_no_request_fails(watched: Watched) -> None:
    before = fleet.in_service()
    with watched() as (traffic, _):
        does("replace", confirm="local")
        # New hosts do not come into the old ones' zones, and Auto Scaling makes them even when the operation is over.
        rehearsal.eventually(lambda: fleet.is_whole() and fleet.is_even(), bool, within=300)
    assert not fleet.in_service() & before
    assert len(fleet.in_service()) == len(before)
    assert len(traffic.requests) > 50
    assert traffic.failed == [], traffic.messages


def test_a_detached_host_serves_again_when_it_is_attached() -> None:
    out = fleet.in_the_next_ones_zone()
    size = fleet.group()["DesiredCapacity"]
    does("detach", host=out)
    does("attach", host=out)
    assert out in fleet.healthy_targets()
    does("scale", desired=str(size), confirm="local")
    assert fleet.is_whole()
