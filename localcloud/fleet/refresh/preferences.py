"""The preferences of an instance refresh: what a request may say, and what is taken where it says nothing.

Source: Amazon EC2 Auto Scaling API reference, RefreshPreferences; user guide, "Understand the default values for an instance
refresh".
"""

from dataclasses import dataclass
from typing import Any

DEFAULT_MINIMUM = 90
DEFAULT_CHECKPOINT_DELAY = 3600
# Seconds; the longest checkpoint delay and bake time.
LONGEST_DELAY = 172800
MOST_ALARMS = 10
PROTECTED = ("Refresh", "Ignore", "Wait")
STANDBY = ("Terminate", "Ignore", "Wait")


@dataclass(frozen=True)
class Preferences:
    """How to replace instances. Percentages are of the desired capacity, times are seconds.

    `maximum` None is not the same as 100: see `next_step`. `checkpoints` are percentages of the group's instances that are
    new, the last one is where the refresh ends.
    """

    minimum: int
    maximum: int | None
    warmup: int
    checkpoints: tuple[int, ...]
    checkpoint_delay: int
    skip_matching: bool
    auto_rollback: bool
    alarms: tuple[str, ...]
    bake_time: int
    protected: str
    standby: str

    def describe(self) -> dict[str, Any]:
        """Return RefreshPreferences as DescribeInstanceRefreshes shows them."""
        described: dict[str, Any] = {
            "MinHealthyPercentage": self.minimum,
            "InstanceWarmup": self.warmup,
            "SkipMatching": self.skip_matching,
            "AutoRollback": self.auto_rollback,
            "ScaleInProtectedInstances": self.protected,
            "StandbyInstances": self.standby,
            "BakeTime": self.bake_time,
        }
        if self.maximum is not None:
            described["MaxHealthyPercentage"] = self.maximum
        if self.checkpoints != (100,):
            described["CheckpointPercentages"] = list(self.checkpoints)
            described["CheckpointDelay"] = self.checkpoint_delay
        if self.alarms:
            described["AlarmSpecification"] = {"Alarms": list(self.alarms)}
        return described


def parse(given: dict[str, Any], default_warmup: int) -> Preferences:
    """Return the preferences of a request; `default_warmup` (seconds) is the group's.

    Raises ValueError that says which preference is wrong and what it may be.
    """
    minimum, maximum = given.get("MinHealthyPercentage"), given.get("MaxHealthyPercentage")
    _check_range("MinHealthyPercentage", minimum, 0, 100)
    _check_range("MaxHealthyPercentage", maximum, 100, 200)
    if maximum is not None and minimum is None:
        raise ValueError("If you specify MaxHealthyPercentage, you must also specify MinHealthyPercentage.")
    if maximum is not None and maximum - minimum > 100:
        raise ValueError("The difference between MaxHealthyPercentage and MinHealthyPercentage cannot be above 100.")
    warmup = given.get("InstanceWarmup")
    _check_range("InstanceWarmup", warmup, 0, None)
    _check_range("BakeTime", given.get("BakeTime"), 0, LONGEST_DELAY)
    alarms = tuple(given.get("AlarmSpecification", {}).get("Alarms", []))
    if len(alarms) > MOST_ALARMS:
        raise ValueError(f"AlarmSpecification can name up to {MOST_ALARMS} alarms.")
    return Preferences(
        minimum=DEFAULT_MINIMUM if minimum is None else minimum,
        maximum=maximum,
        warmup=default_warmup if warmup is None else warmup,
        checkpoints=_checkpoints(given),
        checkpoint_delay=given.get("CheckpointDelay", DEFAULT_CHECKPOINT_DELAY),
        skip_matching=given.get("SkipMatching", False),
        auto_rollback=given.get("AutoRollback", False),
        alarms=alarms,
        bake_time=given.get("BakeTime", 0),
        protected=_choice(given, "ScaleInProtectedInstances", PROTECTED),
        standby=_choice(given, "StandbyInstances", STANDBY),
    )


def _checkpoints(given: dict[str, Any]) -> tuple[int, ...]:
    percentages = tuple(given.get("CheckpointPercentages") or ())
    if not percentages:
        if "CheckpointDelay" in given:
            raise ValueError("If you specify CheckpointDelay, you must also specify CheckpointPercentages.")
        return (100,)
    for one in percentages:
        _check_range("CheckpointPercentages", one, 1, 100)
    if list(percentages) != sorted(set(percentages)):
        raise ValueError("CheckpointPercentages must be unique and in ascending order.")
    _check_range("CheckpointDelay", given.get("CheckpointDelay"), 0, LONGEST_DELAY)
    return percentages


def _check_range(name: str, value: int | None, low: int, high: int | None) -> None:
    if value is None or (value >= low and (high is None or value <= high)):
        return
    limits = f"{low} or more" if high is None else f"from {low} to {high}"
    raise ValueError(f"{name} is {value}; it must be {limits}.")


def _choice(given: dict[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = str(given.get(name, "Wait"))
    if value not in choices:
        raise ValueError(f"{name} is {value}; it must be one of {', '.join(choices)}.")
    return value
