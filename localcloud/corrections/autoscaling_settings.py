"""EC2 Auto Scaling: settings of a group that nothing in the fleet follows, and its notifications, which nobody gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from localcloud.corrections.autoscaling_request import named_group
from localcloud.corrections.patching import NOT_REPORTED, Difference, addition

if TYPE_CHECKING:
    from localcloud.account import Account

NOTIFICATIONS = Difference(
    "lacks notifications",
    aws="https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeNotificationConfigurations.html",
    upstream=NOT_REPORTED,
)
# Parameters of UpdateAutoScalingGroup, and where the answers are made of them.
SETTINGS = {
    "DefaultCooldown": "default_cooldown",
    "PlacementGroup": "placement_group",
    "TerminationPolicies": "termination_policies",
    "MaxInstanceLifetime": "max_instance_lifetime",
    "ServiceLinkedRoleARN": "service_linked_role_arn",
    "DesiredCapacityType": "desired_capacity_type",
    "InstanceMaintenancePolicy": "instance_maintenance_policy",
    "DeletionProtection": "deletion_protection",
    "AvailabilityZoneDistribution": "availability_zone_distribution",
    "AvailabilityZoneImpairmentPolicy": "availability_zone_impairment_policy",
    "CapacityReservationSpecification": "capacity_reservation_specification",
    "InstanceLifecyclePolicy": "instance_lifecycle_policy",
}
# What takes a setting away: UpdateAutoScalingGroup in the API reference.
NONE = ("", 0, {"MinHealthyPercentage": -1, "MaxHealthyPercentage": -1})


def keep_settings(group: Any, parameters: dict[str, Any]) -> None:
    """Give a group the settings that UpdateAutoScalingGroup has been given."""
    for parameter, attribute in SETTINGS.items():
        if parameter in parameters:
            value = parameters[parameter]
            setattr(group, attribute, None if value in NONE else value)


def apply(_account: Account) -> None:
    """Remember who is to be notified of what."""

    @addition(AutoScalingResponse, "put_notification_configuration", NOTIFICATIONS)
    def put_notification_configuration(self: Any) -> Any:
        group, topic = named_group(self), self._get_param("TopicARN")
        group.notified = {**vars(group).get("notified", {}), topic: self._get_param("NotificationTypes")}
        return EmptyResult()

    @addition(AutoScalingResponse, "describe_notification_configurations", NOTIFICATIONS)
    def describe_notification_configurations(self: Any) -> Any:
        wanted = self._get_param("AutoScalingGroupNames", [])
        found = [
            {"AutoScalingGroupName": name, "TopicARN": topic, "NotificationType": kind}
            for name, group in self.autoscaling_backend.autoscaling_groups.items()
            if not wanted or name in wanted
            for topic, kinds in vars(group).get("notified", {}).items()
            for kind in kinds
        ]
        return ActionResult({"NotificationConfigurations": found})
