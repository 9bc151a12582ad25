"""What CloudWatch says of alarms, and which of them an instance refresh can be guarded with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Alarms:
    """Names of alarms by what is known of them before anything is done.

    EC2 Auto Scaling user guide, "Undo changes with a rollback", Considerations: StartInstanceRefresh is an error unless every
    alarm that it names is OK, and a refresh replaces nothing while one has no data.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-rollback.html

    Attributes:
        silent: those that are OK, which an instance refresh takes.
        ringing: sentences by name, with CloudWatch's reason.
        unknown: without data.
        absent: those that are not there.
    """

    silent: list[str] = field(default_factory=list)
    ringing: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def describe(client: Any, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Returns DescribeAlarms' entry of each alarm that there is, of either type, by name."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    pages = client.get_paginator("describe_alarms").paginate(AlarmNames=wanted, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return {
        alarm["AlarmName"]: alarm for page in pages for alarm in page.get("MetricAlarms", []) + page.get("CompositeAlarms", [])
    }


def sort(names: Iterable[str], described: Mapping[str, Mapping[str, Any]]) -> Alarms:
    """Returns the alarms by their state."""
    found = Alarms()
    for name in names:
        state = described[name]["StateValue"] if name in described else None
        if state is None:
            found.absent.append(name)
        elif state == "OK":
            found.silent.append(name)
        elif state == "ALARM":
            found.ringing[name] = f"{name} rings ({described[name].get('StateReason') or 'no reason given'})"
        else:
            found.unknown.append(name)
    return found
