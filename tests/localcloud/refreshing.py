"""A group in whose launch template there is a new version to roll out, and what tests ask about a refresh."""

from collections import Counter
from typing import Any

import pytest

from localcloud import backends
from localcloud.balancer.health import Probe
from localcloud.balancer.targets import CheckResult
from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.scaling_group import Group

FAILING = CheckResult(False, "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")
NEW: dict[str, Any] = {"LaunchTemplate": {"LaunchTemplateName": "service", "Version": "2"}}
FIRST_NEW: dict[str, Any] = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150}


class Refreshing(Group):
    """A settled group of version 1 with a version 2 of its launch template."""

    def __init__(self, cloud: Cloud, desired: int = 2, version: str = "1", **settings: Any) -> None:
        """See Group."""
        super().__init__(cloud, desired, version=version, **settings)
        self.old = self.settled(desired)
        self.ec2.create_launch_template_version(
            LaunchTemplateName="service", SourceVersion="1", LaunchTemplateData={"InstanceType": "c6i.large"}
        )
        cloud.hosts.calls.clear()

    def start(self, desired: dict[str, Any] | None = NEW, **preferences: Any) -> str:
        """Start a refresh without warm-up; return its id."""
        more = {"DesiredConfiguration": desired} if desired else {}
        reply = self.asg.start_instance_refresh(
            AutoScalingGroupName="service", Preferences={"InstanceWarmup": 0} | preferences, **more
        )
        return str(reply["InstanceRefreshId"])

    def refresh(self) -> dict[str, Any]:
        """Return the newest refresh as it is described."""
        found: dict[str, Any] = self.asg.describe_instance_refreshes(AutoScalingGroupName="service")["InstanceRefreshes"][0]
        return found

    def until(self, status: str) -> dict[str, Any]:
        """Wait until the newest refresh has a status; return it."""
        eventually(lambda: self.refresh()["Status"] == status)
        return self.refresh()

    def waits_for(self, reason: str) -> dict[str, Any]:
        """Wait until the reason of the newest refresh's status holds a text; return the refresh."""
        eventually(lambda: reason in self.refresh().get("StatusReason", ""))
        return self.refresh()

    def changes_from(self, members: set[str]) -> None:
        """Wait until others than these are in the group."""
        eventually(lambda: members != {one["InstanceId"] for one in self.members()})

    def versions(self) -> Counter[str]:
        """Count the versions that members were launched from, without those that leave."""
        return Counter(
            one["LaunchTemplate"]["Version"] for one in self.members() if not one["LifecycleState"].startswith("Terminating")
        )

    def own_version(self) -> str:
        """Return the version that the group itself names."""
        return str(self.asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]["LaunchTemplate"]["Version"])

    def fail_checks_of(self, monkeypatch: pytest.MonkeyPatch, *versions: int) -> None:
        """Let the balancer find unhealthy whatever was launched from these versions."""

        def probe(request: Probe) -> CheckResult:
            members = list(backends.autoscaling().autoscaling_groups["service"].instance_states)
            bad = {one.instance.private_ip for one in members if one.launch_template_version in versions}
            return FAILING if request.address in bad else CheckResult(True)

        monkeypatch.setattr(self.cloud.account.health, "_probe", probe)
