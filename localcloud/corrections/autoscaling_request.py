"""EC2 Auto Scaling: what a request names."""

from typing import Any

from moto.autoscaling.exceptions import ValidationError


def named_group(response: Any) -> Any:
    """Return the group that the request behind a moto response names; ValidationError, as on AWS, if there is none."""
    name = response._get_param("AutoScalingGroupName")
    group = response.autoscaling_backend.autoscaling_groups.get(name)
    if group is None:
        raise ValidationError(f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")
    return group
