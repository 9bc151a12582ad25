"""A look at a group in the middle of a refresh: which members are to be replaced, which are new, which may not be touched."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from localcloud.fleet.members import is_active, is_leaving, lacking
from localcloud.fleet.refresh.preferences import Preferences
from localcloud.fleet.refresh.record import Round


@dataclass(frozen=True)
class Survey:
    """What one look at a group found.

    `left` are members still to be replaced, `blocked` those of them that the refresh waits for (protected from scale-in, in
    Standby), `replaceable` the others, in the order in which they go, `idle` how many of these do not serve. `serving` counts
    members that serve and, if they are new, are warmed up; `unready` names new members that do not, with what they lack.
    `short` is how many replacements the desired capacity lacks: not ready, or not even launched. `total` is how many instances
    the refresh is about: the desired capacity without those that it ignores, and those in Standby that it does not.
    """

    left: list[Any]
    blocked: list[Any]
    replaceable: list[Any]
    idle: int
    serving: int
    unready: dict[str, str]
    short: int
    total: int


def survey(group: Any, current: Round, preferences: Preferences, now: float) -> Survey:
    """Look at a group; `now` is the clock's time in seconds."""
    active = [one for one in group.instance_states if is_active(one)]
    left = to_replace(group, preferences, current.outdated)
    blocked = [one for one in left if _policy(one, preferences) == "Wait"]
    needs = {one.instance.id: lacking(group, one) for one in group.instance_states}
    unready: dict[str, str] = {}
    for member in active:
        if member.instance.id in current.known:
            continue
        need = needs[member.instance.id]
        if need is None and now - member.in_service_since < preferences.warmup:
            need = "is warming up"
        if need is not None:
            unready[member.instance.id] = need
    ignored = sum(one.instance.id in current.outdated and _policy(one, preferences) == "Ignore" for one in active)
    crowd = Counter(one.availability_zone for one in active)
    replaceable = sorted(
        (one for one in left if one not in blocked),
        # Zones stay balanced: a replacement is launched in the zone with the fewest members.
        key=lambda one: (needs[one.instance.id] is None, -crowd[one.availability_zone], one.instance.launch_time),
    )
    return Survey(
        left=left,
        blocked=blocked,
        replaceable=replaceable,
        idle=sum(needs[one.instance.id] is not None for one in replaceable),
        serving=sum(needs[one.instance.id] is None and one.instance.id not in unready for one in active),
        unready=unready,
        short=max(0, group.desired_capacity - (len(active) - len(unready))),
        total=max(0, group.desired_capacity - ignored + sum(not is_active(one) for one in left)),
    )


def to_replace(group: Any, preferences: Preferences, outdated: frozenset[str]) -> list[Any]:
    """Return those of the outdated members that are still there and that the preferences do not ignore."""
    return [
        one
        for one in group.instance_states
        if one.instance.id in outdated and not is_leaving(one) and _policy(one, preferences) != "Ignore"
    ]


def _policy(member: Any, preferences: Preferences) -> str | None:
    """Return what the preferences say of a member that is protected or in Standby, None for any other."""
    if member.lifecycle_state.endswith("Standby"):
        return preferences.standby
    return preferences.protected if member.protected_from_scale_in else None
