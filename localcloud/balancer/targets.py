"""What the balancer knows of a target: its health state as Elastic Load Balancing names it, and how checks move it.

Source of states, reasons and texts: Elastic Load Balancing API reference, TargetHealth; of the thresholds: Application
Load Balancers user guide, "Health checks for your target groups" (a new target must pass one check, an unhealthy one as
many in a row as the healthy threshold says).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one health check; `reason` and `description` say why it failed."""

    passed: bool
    reason: str = ""
    description: str = ""


@dataclass
class TargetHealth:
    """Health of one registered target. `next_check` is the clock's time in seconds, None before the first is planned."""

    state: str = "initial"
    reason: str | None = "Elb.RegistrationInProgress"
    description: str | None = "Target registration is in progress"
    next_check: float | None = None
    in_a_row: int = 0
    last_passed: bool | None = None

    def record(self, result: CheckResult, healthy_threshold: int, unhealthy_threshold: int) -> bool:
        """Take one check's outcome into account; return whether the state changed. Thresholds count checks in a row."""
        self.in_a_row = self.in_a_row + 1 if result.passed == self.last_passed else 1
        self.last_passed = result.passed
        before = self.state
        if result.passed and (before == "initial" or self.in_a_row >= healthy_threshold):
            self.state, self.reason, self.description = "healthy", None, None
        elif not result.passed and self.in_a_row >= unhealthy_threshold:
            self.state, self.reason, self.description = "unhealthy", result.reason, result.description
        elif before == "initial":
            self.reason, self.description = "Elb.InitialHealthChecking", "Initial health checks in progress"
        return self.state != before


def unused(instance_state: str) -> TargetHealth:
    """Return the health of a target whose instance does not run, once its checks have failed."""
    return TargetHealth("unused", "Target.InvalidState", f"Target is in the {instance_state} state")


def code_matches(matcher: str, status: int) -> bool:
    """Say whether an HTTP status is among the matcher's codes, such as `200`, `200,202` or `200-299`."""
    for part in matcher.split(","):
        first, _, last = part.partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False
