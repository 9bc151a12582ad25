"""Finds and removes what belongs to one environment: its resources carry the tags Project and Environment, or live in its VPC.

Each kind finds its own.
"""

import time
from collections.abc import Iterable, Mapping

from .kinds.kind import Clients, Kind, Owned, Scope
from .kinds.registry import KINDS
from .refusals import BUSY, gone
from .state import error_code

# Seconds between two looks at something that is being removed, and how long to keep looking: a NAT gateway takes minutes.
PAUSE = 2.0
PATIENCE = 900.0

Found = dict[str, list[Owned]]


def listed(clients: Clients, scope: Scope, kept: frozenset[str] = frozenset()) -> Found:
    """Returns everything of a scope by kind, without the kinds that are `kept` and those with nothing."""
    found = {
        kind.name: sorted(kind.owned(clients, scope), key=lambda one: one.identity)
        for kind in KINDS
        if kind.torn_down and kind.name not in kept
    }
    return {name: resources for name, resources in found.items() if resources}


def identities(found: Mapping[str, Iterable[Owned]]) -> dict[str, list[str]]:
    """Returns the ids alone, by kind."""
    return {kind: [one.identity for one in resources] for kind, resources in found.items()}


def unmanaged(found: Mapping[str, Iterable[Owned]], claimed: Mapping[str, Iterable[str]]) -> Found:
    """Returns what no task manages, by kind, without what comes and goes with something else or by itself."""
    left = {
        kind.name: [
            one
            for one in found.get(kind.name, ())
            if not one.belongs_to and one.identity not in set(claimed.get(kind.name, ()))
        ]
        for kind in KINDS
        if not kind.members
    }
    return {name: resources for name, resources in left.items() if resources}


def remove(
    clients: Clients, scope: Scope, kept: frozenset[str] = frozenset(), patience: float = PATIENCE
) -> dict[str, list[str]]:
    """Removes everything of a scope, kind by kind, and returns what is left after at most `patience` seconds.

    A kind is done when none of it is found any more, so that the next one meets no dependency. A removal that AWS refuses
    because an earlier one has not taken effect is tried again; any other refusal is raised.
    """
    deadline = time.monotonic() + patience
    for kind in KINDS:
        if kind.torn_down and kind.name not in kept and not _removed(kind, clients, scope, deadline):
            break
    return identities(listed(clients, scope, kept))


def _removed(kind: Kind, clients: Clients, scope: Scope, deadline: float) -> bool:
    """Removes all of a kind; returns whether that was in time."""
    asked: set[str] = set()
    while found := [one.identity for one in kind.owned(clients, scope)]:
        for identity in found:
            if identity in asked:
                continue
            try:
                kind.remove(clients, identity)
            except Exception as error:
                if error_code(error) in BUSY:
                    continue
                if not gone(error):
                    raise
            asked.add(identity)
        if time.monotonic() > deadline:
            return False
        if any(True for _ in kind.owned(clients, scope)):
            time.sleep(PAUSE)
    return True
