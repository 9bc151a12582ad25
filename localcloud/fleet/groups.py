"""Auto Scaling: keeps each group at its desired capacity with healthy members, spread over its zones.

Follows the Amazon EC2 Auto Scaling user guide: life cycle of an instance and its hooks, health checks and their grace period,
default termination policy, activities, instance refresh, mixed instances, rebalancing of capacity and of zones. Policies and
schedules change the desired capacity (localcloud/scaling/). There are no warm pools.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from localcloud import backends
from localcloud.fleet import mixed, rebalance
from localcloud.fleet.activities import ActivityLog
from localcloud.fleet.health import HealthChecks
from localcloud.fleet.hooks import ABANDON, LAUNCHING, TERMINATING, LifecycleActions
from localcloud.fleet.launching import launch, next_subnet
from localcloud.fleet.members import is_active, is_leaving, market_of
from localcloud.fleet.refresh.engine import PATIENCE, Refreshes
from localcloud.fleet.registration import deregister, is_draining, register
from localcloud.fleet.termination import choose_victim
from localcloud.fleet.zones import ZoneRebalancing

logger = logging.getLogger(__name__)

# Seconds between two looks at the groups; a change of an instance or of a group is taken up at once.
INTERVAL = 1.0
# Seconds to wait after a failed launch, doubled with each further failure up to the maximum, so that a broken template
# does not keep the machine busy.
FIRST_BACKOFF = 5.0
LONGEST_BACKOFF = 60.0


class Fleet:
    """Works on moto's Auto Scaling groups; one thread runs `run`, API calls only state what is wanted and `wake` it."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, refresh_patience: float = PATIENCE, minute: float = 60
    ) -> None:
        """`clock` tells seconds that never go back: grace periods, warm-up, checkpoints and heartbeats go by it.

        `refresh_patience` is how many of them an instance refresh waits for instances before it fails, `minute` how many stand
        for a minute of AWS's own pace.
        """
        self.clock = clock
        self.activities = ActivityLog()
        self.hooks = LifecycleActions(clock)
        self.health = HealthChecks(clock, minute)
        self._zones = ZoneRebalancing()
        self._wake = threading.Event()
        self._closing = False
        # An API call may take a member out of service while `run` looks at the group.
        self._lock = threading.RLock()
        self.refreshes = Refreshes(self.terminate, self._lock, clock, refresh_patience)
        # Launches that failed in a row, and when the next one may be tried.
        self._failures: WeakKeyDictionary[Any, tuple[int, float]] = WeakKeyDictionary()

    def wake(self) -> None:
        """Look at the groups now."""
        self._wake.set()

    def held(self) -> AbstractContextManager[Any]:
        """Keep the groups as they are while a block changes members and capacity in more than one step."""
        return self._lock

    def change_capacity(self, group: Any, wanted: int, reason: str) -> None:
        """Set a group's desired capacity; the activities that follow say `reason`, a sentence without its time."""
        with self._lock:
            group.desired_capacity = wanted
            group.capacity_reason = reason
        logger.info("Auto Scaling group %s: %s", group.name, reason)
        self.wake()

    def run(self) -> None:
        """Look after the groups until `close`."""
        while not self._closing:
            self._wake.wait(INTERVAL)
            self._wake.clear()
            for group in list(backends.autoscaling().autoscaling_groups.values()):
                try:
                    self.reconcile(group)
                except Exception:
                    logger.exception("Auto Scaling group %s", group.name)

    def close(self) -> None:
        """End `run`."""
        self._closing = True
        self._wake.set()

    def reconcile(self, group: Any) -> None:
        """Take one group one step towards what it should be."""
        with self._lock:
            self._reconcile(group)

    def _reconcile(self, group: Any) -> None:
        for member in list(group.instance_states):
            self._advance(group, member)
        if getattr(group, "deleting", False):
            self._delete(group)
            return
        suspended = set(group._suspended_processes)
        if not suspended & {"HealthCheck", "ReplaceUnhealthy"}:
            self._replace_unhealthy(group)
        self.refreshes.advance(group)
        surplus = self.refreshes.surplus(group) + self._rebalance(group)
        if not self.refreshes.active(group):
            surplus = max(surplus, self._zones.surplus(group))
        active = [one for one in group.instance_states if is_active(one)]
        missing = group.desired_capacity + surplus - len(active)
        if missing == 0:
            group.capacity_reason = ""
        if missing > 0 and "Launch" not in suspended:
            self._launch(group, missing)
        elif missing < 0 and "Terminate" not in suspended:
            self._shrink(group, active, -missing)

    def terminate(self, group: Any, member: Any, cause: str) -> Any:
        """Begin to take a member out of the group; return the activity."""
        with self._lock:
            if is_leaving(member):
                return self.activities.current(member.instance.id)
            member.lifecycle_state = "Terminating"
            activity = self.activities.start(group, f"Terminating EC2 instance: {member.instance.id}", cause, member)
            deregister(group.target_group_arns, [member.instance.id])
            return activity

    def _advance(self, group: Any, member: Any) -> None:
        if member.lifecycle_state.startswith("Pending"):
            self._advance_launch(group, member)
        elif member.lifecycle_state == "InService":
            register(group, member)
        elif member.lifecycle_state == "EnteringStandby" and not is_draining(group, member):
            member.lifecycle_state = "Standby"
        elif is_leaving(member):
            self._advance_termination(group, member)

    def _advance_launch(self, group: Any, member: Any) -> None:
        state = member.instance.state
        outcome = self.hooks.outcome(member)
        if state not in {"pending", "running"}:
            reason = member.instance.state_reason.message or "The instance stopped while it was launched"
            self._launch_failed(group, member, reason)
        elif outcome is not None and outcome.result == ABANDON:
            self._launch_abandoned(group, member, outcome.reason)
        elif outcome is not None and state == "running":
            self._enter_service(group, member)

    def _advance_termination(self, group: Any, member: Any) -> None:
        if is_draining(group, member) or self._held(group, member):
            return
        if member.instance.state == "terminated":
            group.instance_states.remove(member)
            self.activities.finish(member.instance.id)
        elif member.instance.state != "shutting-down":
            backends.ec2().terminate_instances([member.instance.id])

    def _held(self, group: Any, member: Any) -> bool:
        """Say whether life-cycle hooks hold a member that has drained, also one that is dead and can complete none.

        A forced deletion of the group does without them: API reference, DeleteAutoScalingGroup, ForceDelete.
        """
        if getattr(group, "deleting", False):
            return False
        if member.lifecycle_state == "Terminating" and self.hooks.begin(group, member, TERMINATING):
            member.lifecycle_state = "Terminating:Wait"
        if member.lifecycle_state == "Terminating:Wait" and self.hooks.outcome(member) is not None:
            member.lifecycle_state = "Terminating:Proceed"
        return bool(member.lifecycle_state == "Terminating:Wait")

    def _enter_service(self, group: Any, member: Any) -> None:
        register(group, member)
        member.lifecycle_state = "InService"
        member.in_service_since = self.clock()
        self._failures.pop(group, None)
        self.activities.finish(member.instance.id)

    def _replace_unhealthy(self, group: Any) -> None:
        for member, check in self.health.to_replace(group):
            member.health_status = "Unhealthy"
            self.terminate(group, member, f"an instance was taken out of service in response to {check}.")

    def _rebalance(self, group: Any) -> int:
        """Take members at risk out; return how many instances the replacing needs above capacity."""
        for member in rebalance.noticed(rebalance.at_risk(group)):
            self.terminate(group, member, rebalance.CAUSE)
        risky = rebalance.at_risk(group)
        for member in rebalance.replaced(group, risky):
            self.terminate(group, member, rebalance.CAUSE)
        return rebalance.surplus(group, [one for one in risky if not is_leaving(one)])

    def _launch(self, group: Any, count: int) -> None:
        _, not_before = self._failures.get(group, (0, 0.0))
        if self.clock() < not_before:
            return
        for _ in range(count):
            try:
                self._launch_one(group)
            except Exception as error:
                self._note_failure(group)
                activity = self.activities.start(group, "Launching a new EC2 instance", self._shortage(group), None)
                message = f"{getattr(error, 'message', error)}. Launching EC2 instance failed."
                self.activities.fail(activity, message)
                logger.warning("%s: %s", group.name, message)
                return

    def _launch_one(self, group: Any) -> None:
        risky = {one.instance.id for one in rebalance.at_risk(group)}
        subnet_id = next_subnet(group, self.refreshes.outdated(group) | risky)
        member = launch(group, self.refreshes.configuration(group), subnet_id)
        if self.hooks.begin(group, member, LAUNCHING):
            member.lifecycle_state = "Pending:Wait"
        description = f"Launching a new EC2 instance: {member.instance.id}"
        self.activities.start(group, description, self._shortage(group), member)
        group.instance_states.append(member)

    def _shortage(self, group: Any) -> str:
        return self._reason(group) + (
            "an instance was started in response to a difference between desired and actual capacity, "
            f"bringing the capacity towards {group.desired_capacity}."
        )

    def _reason(self, group: Any) -> str:
        """Return what comes before the cause of an activity when a policy or a schedule has changed the capacity."""
        reason = getattr(group, "capacity_reason", "")
        return f"{reason}  At {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} " if reason else ""

    def _launch_failed(self, group: Any, member: Any, reason: str) -> None:
        self._note_failure(group)
        group.instance_states.remove(member)
        self.activities.fail(self.activities.current(member.instance.id), reason)
        if member.instance.state not in {"shutting-down", "terminated"}:
            backends.ec2().terminate_instances([member.instance.id])

    def _launch_abandoned(self, group: Any, member: Any, reason: str) -> None:
        self._note_failure(group)
        message = f"Instance failed to complete user's Lifecycle Action: {reason}"
        self.activities.fail(self.activities.current(member.instance.id), message, "Cancelled")
        cause = "an instance was taken out of service in response to a life-cycle action that was abandoned."
        self.terminate(group, member, cause)

    def _note_failure(self, group: Any) -> None:
        failures, _ = self._failures.get(group, (0, 0.0))
        wait = min(FIRST_BACKOFF * 2**failures, LONGEST_BACKOFF)
        self._failures[group] = (failures + 1, self.clock() + wait)

    def _shrink(self, group: Any, active: list[Any], count: int) -> None:
        for _ in range(count):
            markets = Counter(map(market_of, active))
            market = mixed.market_to_leave(group.mixed_instances_policy, markets[mixed.ON_DEMAND], markets[mixed.SPOT])
            victim = choose_victim(active, group.termination_policies, market)
            if victim is None:
                return
            active.remove(victim)
            cause = self._reason(group) + (
                "an instance was taken out of service in response to a difference between desired and actual "
                f"capacity, shrinking the capacity to {group.desired_capacity}."
            )
            self.terminate(group, victim, cause)

    def _delete(self, group: Any) -> None:
        for member in list(group.instance_states):
            self.terminate(group, member, "an instance was taken out of service in response to a deletion of the group.")
        if not group.instance_states:
            backends.autoscaling().autoscaling_groups.pop(group.name, None)
