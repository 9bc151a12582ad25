"""EC2 Auto Scaling: groups with a mixed instances policy, as far as they can be rehearsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.exceptions import ValidationError
from moto.autoscaling.models import FakeAutoScalingGroup

from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam, addition, correction
from localcloud.fleet import mixed

if TYPE_CHECKING:
    from localcloud.account import Account

# A group has either a launch template or a policy.
ONE_SOURCE = Difference(
    "goes on showing the launch template that a group had before it got a policy",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AutoScalingGroup.html",
    upstream=NOT_REPORTED,
)
POLICIES = Seam("the fleet carries out some policies, and refuses the others")


def apply(_account: Account) -> None:
    """Correct what a group says of its policy, and refuse policies that the fleet does not carry out."""

    @correction(FakeAutoScalingGroup, "_set_launch_configuration", POLICIES)
    def take_simple_policies(
        original: Any, self: Any, launch_config_name: Any, launch_template: Any, mixed_instances_policy: Any
    ) -> None:
        if mixed_instances_policy:
            try:
                mixed.check(mixed_instances_policy)
            except ValueError as error:
                raise ValidationError(str(error)) from error
        original(self, launch_config_name, launch_template, mixed_instances_policy)

    def launch_template(self: Any) -> dict[str, Any] | None:
        template = self.ec2_launch_template
        if template is None or self.mixed_instances_policy:
            return None
        version = self.provided_launch_template_version
        return {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "Version": version}

    addition(FakeAutoScalingGroup, "launch_template", ONE_SOURCE)(property(launch_template))
