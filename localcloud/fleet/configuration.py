"""What a group launches its instances from: its own settings, or the desired configuration of an instance refresh."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from localcloud.fleet import mixed


@dataclass(frozen=True)
class Configuration:
    """A launch template, the version to launch from (a number, `$Latest` or `$Default`), and a mixed instances policy."""

    template: Any
    version: str
    policy: dict[str, Any] | None = None

    @classmethod
    def of(cls, group: Any) -> Configuration:
        """Return a group's own configuration."""
        return cls(group.ec2_launch_template, group.launch_template_version, group.mixed_instances_policy)

    def apply_to(self, group: Any) -> None:
        """Make this a group's own configuration."""
        group.ec2_launch_template = self.template
        group.launch_template_version = self.version
        group.provided_launch_template_version = self.version
        group.mixed_instances_policy = self.describe().get("MixedInstancesPolicy")

    @property
    def current(self) -> Any:
        """The version that an instance launched now comes from."""
        return self.template.get_version(self.version)

    @property
    def instance_type(self) -> str:
        """The type of an instance launched now."""
        return next(iter(mixed.types(self.policy)), self.current.instance_type)

    def matches(self, member: Any) -> bool:
        """Say whether a member is as if it were launched now: same template version, a type that would be launched.

        https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-instance-refresh-skip-matching.html
        """
        launched_from = getattr(member, "launched_from", None)
        return bool(
            launched_from
            and launched_from.id == self.template.id
            and member.launch_template_version == self.current.number
            and member.instance.instance_type in (mixed.types(self.policy) or [self.current.instance_type])
        )

    def describe(self) -> dict[str, Any]:
        """Return a DesiredConfiguration."""
        specification = {
            "LaunchTemplateId": self.template.id,
            "LaunchTemplateName": self.template.name,
            "Version": self.version,
        }
        if self.policy is None:
            return {"LaunchTemplate": specification}
        policy = copy.deepcopy(self.policy)
        policy["LaunchTemplate"]["LaunchTemplateSpecification"] = specification
        return {"MixedInstancesPolicy": policy}
