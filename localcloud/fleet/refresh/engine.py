"""Carries instance refreshes out: one step a look, forwards until all is replaced, back when something is wrong."""

import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from localcloud.fleet.configuration import Configuration
from localcloud.fleet.members import is_active, is_leaving
from localcloud.fleet.refresh.guards import blind, raised
from localcloud.fleet.refresh.next_step import Situation, count_of, next_step
from localcloud.fleet.refresh.preferences import Preferences
from localcloud.fleet.refresh.record import Refresh, Round, now
from localcloud.fleet.refresh.survey import Survey, survey

# Seconds that a refresh waits for instances that get ready, are protected or in Standby, before it fails: user guide,
# "Understand the default values for an instance refresh".
PATIENCE = 3600.0
CAUSE = "an instance was taken out of service in response to an instance refresh."

Terminate = Callable[[Any, Any, str], Any]


class NoActiveRefresh(Exception):
    """There is no refresh in progress to act upon."""


class Irreversible(Exception):
    """A refresh cannot be rolled back; the text says why."""


class Refreshes:
    """The instance refreshes of all groups. Calls may come from any thread that does not hold `lock` for long."""

    def __init__(
        self, terminate: Terminate, lock: threading.RLock, clock: Callable[[], float], patience: float = PATIENCE
    ) -> None:
        """`terminate` takes a member out of its group for a cause; `clock` and `patience` are in seconds."""
        self._terminate = terminate
        self._lock = lock
        self._clock = clock
        self._patience = patience
        self._of: WeakKeyDictionary[Any, list[Refresh]] = WeakKeyDictionary()

    def of(self, group: Any) -> list[Refresh]:
        """Return a group's refreshes, newest first."""
        return list(self._of.get(group, []))

    def active(self, group: Any) -> Refresh | None:
        """Return the refresh that is under way."""
        return next((one for one in self.of(group) if one.active), None)

    def start(self, group: Any, preferences: Preferences, desired: Configuration | None) -> Refresh:
        """Begin a refresh with the next look at the group. There must be no active one."""
        refresh = Refresh(group.name, preferences, desired)
        with self._lock:
            self._of.setdefault(group, []).insert(0, refresh)
        return refresh

    def cancel(self, group: Any, wait: bool) -> Refresh:
        """Replace nothing more; `wait` until instances on their way have arrived. Raises NoActiveRefresh."""
        with self._lock:
            refresh = self._current(group)
            refresh.status, refresh.reason = "Cancelling", "Cancelled due to user request."
            refresh.waits_for_transitions = wait
            return refresh

    def roll_back(self, group: Any) -> Refresh:
        """Replace what was replaced. Raises NoActiveRefresh, and Irreversible where AWS would not do it."""
        with self._lock:
            refresh = self._current(group)
            if refresh.status in {"Cancelling", "RollbackInProgress"}:
                raise Irreversible(f"The instance refresh is in the {refresh.status} state.")
            obstacle = obstacle_to_rollback(group, refresh.desired)
            if obstacle:
                raise Irreversible(obstacle)
            self._turn_back(group, refresh, "Rollback due to user request.")
            return refresh

    def configuration(self, group: Any) -> Configuration:
        """Return what a new member of a group is launched from just now."""
        refresh = self.active(group)
        if refresh and refresh.desired and refresh.status in {"InProgress", "Baking"}:
            return refresh.desired
        return Configuration.of(group)

    def surplus(self, group: Any) -> int:
        """Return how many instances above its desired capacity a group has to run just now."""
        current = self._round_of(group)
        return current.surplus if current else 0

    def outdated(self, group: Any) -> frozenset[str]:
        """Return the ids of a group's instances that are being replaced."""
        current = self._round_of(group)
        return current.outdated if current else frozenset()

    def advance(self, group: Any) -> None:
        """Take a group's refresh one step further."""
        refresh = self.active(group)
        if refresh is None or "InstanceRefresh" in group._suspended_processes:
            return
        if refresh.status == "Pending":
            refresh.status, refresh.forwards = "InProgress", self._first_round(group, refresh)
        alarm = raised(refresh.preferences.alarms) if refresh.status in {"InProgress", "Baking"} else None
        if alarm:
            self._fail(group, refresh, f"CloudWatch alarm {alarm} is in the ALARM state.")
        elif refresh.status == "InProgress" and refresh.forwards and self._replace(group, refresh, refresh.forwards):
            refresh.status, refresh.reason = "Baking", None
            refresh.baked_at = self._clock() + refresh.preferences.bake_time
        elif refresh.status == "RollbackInProgress" and refresh.back and self._replace(group, refresh, refresh.back):
            refresh.end("RollbackSuccessful")
        elif refresh.status == "Cancelling" and not (refresh.waits_for_transitions and _in_transition(group)):
            refresh.end("Cancelled", refresh.reason)
        if refresh.status == "Baking" and self._clock() >= refresh.baked_at:
            self._succeed(group, refresh)

    def _round_of(self, group: Any) -> Round | None:
        refresh = self.active(group)
        return refresh.current if refresh else None

    def _current(self, group: Any) -> Refresh:
        refresh = self.active(group)
        if refresh is None:
            raise NoActiveRefresh
        return refresh

    def _first_round(self, group: Any, refresh: Refresh) -> Round:
        wanted = refresh.desired or Configuration.of(group)
        staying = [one for one in group.instance_states if not is_leaving(one)]
        matching = {one.instance.id for one in staying if refresh.preferences.skip_matching and wanted.matches(one)}
        known = frozenset(one.instance.id for one in staying)
        current = self._round(group, refresh, known - matching, known, refresh.preferences.checkpoints)
        # Whether AWS counts instances that match already is not documented; to wait at no checkpoint for them is the less kind.
        current.reached = current.passed()
        return current

    def _round(
        self, group: Any, refresh: Refresh, outdated: frozenset[str], known: frozenset[str], checkpoints: tuple[int, ...]
    ) -> Round:
        current = Round(outdated, known, self._clock(), checkpoints)
        self._count(current, survey(group, current, refresh.preferences, self._clock()))
        return current

    def _replace(self, group: Any, refresh: Refresh, current: Round) -> bool:
        """Go on with a round; say whether it is over."""
        found = survey(group, current, refresh.preferences, self._clock())
        self._count(current, found)
        if current.percentage >= current.checkpoints[-1] and (current.total or not found.short):
            current.surplus = 0
            return True
        if self._pauses(refresh, current):
            return False
        unknown = blind(refresh.preferences.alarms) if refresh.status == "InProgress" else None
        refresh.reason = _waiting_for(found)
        if unknown:
            refresh.reason = f"Waiting for CloudWatch alarm {unknown}, which is in the INSUFFICIENT_DATA state."
        if self._clock() - current.progressed >= self._patience:
            self._fail(group, refresh, refresh.reason or "Instances could not be replaced in time.")
        elif not unknown:
            self._step(group, refresh.preferences, current, found)
        return False

    def _step(self, group: Any, preferences: Preferences, current: Round, found: Survey) -> None:
        replaced = current.total - len(found.left)
        situation = Situation(
            desired=group.desired_capacity,
            serving=found.serving,
            replaceable=len(found.replaceable),
            idle=found.idle,
            short=found.short,
            quota=max(0, count_of(current.ahead, current.total) - replaced),
        )
        step = next_step(situation, preferences.minimum, preferences.maximum)
        current.surplus = step.surplus
        if "Terminate" not in group._suspended_processes:
            for member in found.replaceable[: step.terminate]:
                self._terminate(group, member, CAUSE)

    def _count(self, current: Round, found: Survey) -> None:
        """Count what is done, of all instances that the group has now.

        User guide, "Add checkpoints to an instance refresh": "Because checkpoints are based on percentages, the number of
        instances to replace changes with the size of the group". A replacement that fails later stays counted.
        """
        replaced = max(0, found.total - len(found.left))
        done = replaced - min(replaced, found.short)
        if done > current.done:
            current.progressed = self._clock()
        current.total, current.done = found.total, min(replaced, max(done, current.done))

    def _pauses(self, refresh: Refresh, current: Round) -> bool:
        """Say whether a round waits at a checkpoint. One that was passed together with a later one is skipped.

        "When a scale-out activity occurs ... an in-progress operation could reach a checkpoint again", and waits again.
        """
        passed = current.passed()
        if passed > current.reached:
            current.paused_until = self._clock() + refresh.preferences.checkpoint_delay
        current.reached = passed
        if current.paused_until is None:
            return False
        if self._clock() < current.paused_until:
            current.surplus = 0
            refresh.reason = (
                f"Waiting for {refresh.preferences.checkpoint_delay} seconds at a checkpoint: "
                f"{current.percentage}% of the instances have been replaced."
            )
            return True
        current.paused_until, current.progressed = None, self._clock()
        return False

    def _fail(self, group: Any, refresh: Refresh, reason: str) -> None:
        if refresh.status == "RollbackInProgress":
            refresh.end("RollbackFailed", reason)
        elif refresh.preferences.auto_rollback:
            self._turn_back(group, refresh, reason)
        else:
            refresh.end("Failed", reason)

    def _turn_back(self, group: Any, refresh: Refresh, reason: str) -> None:
        known = frozenset(one.instance.id for one in group.instance_states if not is_leaving(one))
        replaced = known - refresh.forwards.known if refresh.forwards else frozenset()
        refresh.rollback = {
            "RollbackReason": reason,
            "RollbackStartTime": now(),
            "PercentageCompleteOnRollback": refresh.percentage(),
            "InstancesToUpdateOnRollback": refresh.remaining(),
        }
        refresh.back = self._round(group, refresh, replaced, known, (100,))
        # Until the next step ends what is new, nothing is above capacity: a scale-in would take old instances.
        refresh.back.surplus = refresh.current.surplus if refresh.current else 0
        refresh.status, refresh.reason = "RollbackInProgress", reason

    def _succeed(self, group: Any, refresh: Refresh) -> None:
        # API reference, StartInstanceRefresh: "Once the instance refresh succeeds, Amazon EC2 Auto Scaling updates the
        # settings of the Auto Scaling group to reflect the new desired configuration".
        if refresh.desired:
            refresh.desired.apply_to(group)
        refresh.end("Successful")


def obstacle_to_rollback(group: Any, desired: Configuration | None) -> str | None:
    """Say why a refresh of a group could not be rolled back, None if it could.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-rollback.html, "Considerations"
    """
    if desired is None:
        return "A rollback needs a desired configuration."
    for owner, version in (("group", group.launch_template_version), ("desired configuration", desired.version)):
        if not str(version).isdecimal():
            return f"A rollback needs a numbered version of the launch template; that of the {owner} is {version}."
    return None


def _in_transition(group: Any) -> bool:
    return any(is_leaving(one) or (is_active(one) and one.lifecycle_state != "InService") for one in group.instance_states)


def _waiting_for(found: Survey) -> str | None:
    if found.unready:
        instance_id, need = next(iter(found.unready.items()))
        return f"Waiting for remaining instances to be available. For example: {instance_id} {need}."
    if found.short:
        return f"Waiting for {found.short} instances to be launched."
    if found.blocked and len(found.blocked) == len(found.left):
        example = found.blocked[0]
        state = "is in Standby" if example.lifecycle_state.endswith("Standby") else "is protected from scale in"
        return f"Waiting for instances that cannot be replaced. For example: {example.instance.id} {state}."
    return None
