"""Training instances: what is asked of EC2, and what is read from its answers.

Everything here is pure: plain dictionaries in, plain dictionaries out.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from .state import tags_to_dict, tags_to_list

Instance = dict[str, Any]

ROLE = "training"
ALIVE = ("pending", "running")
# Every state but `terminated`: what may still cost money.
NOT_GONE = ("pending", "running", "stopping", "stopped")
# "Troubleshoot instance launch issues" and "Spot request status" in the EC2 user guide: another zone, or another market, may
# have what this one lacks. Unsupported: the zone does not offer the type.
NO_CAPACITY = (
    "InsufficientInstanceCapacity",
    "InsufficientCapacityOnHost",
    "SpotMaxPriceTooLow",
    "UnfulfillableCapacity",
    "Unsupported",
)
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html: 16 KB, before it is encoded.
USER_DATA_BYTES = 16384
# Another request was made with the same token.
TOKEN_TAKEN = "IdempotentParameterMismatch"  # noqa: S105 - an error code


def too_long(user_data: str) -> str | None:
    """Returns a sentence where EC2 does not take user data of that length."""
    size = len(user_data.encode())
    if size <= USER_DATA_BYTES:
        return None
    return (
        f"The instance's user data has {size} bytes, {size - USER_DATA_BYTES} more than the {USER_DATA_BYTES} that EC2 takes. "
        "What varies in it are the job's configuration (training_instance_config, training_instance_settings) and two "
        "addresses that hold the token of this controller's session: shorten the configuration, or use credentials with a "
        "shorter token."
    )


def filters(tags: Mapping[str, str], job: str | None = None, states: Iterable[str] = NOT_GONE) -> list[dict[str, Any]]:
    """Returns the filters of DescribeInstances for the training instances of one environment, or of one job of it."""
    wanted = {"Project": tags["Project"], "Environment": tags["Environment"], "Role": ROLE}
    if job is not None:
        wanted["Job"] = job
    by_tag = [{"Name": f"tag:{name}", "Values": [value]} for name, value in sorted(wanted.items())]
    return [*by_tag, {"Name": "instance-state-name", "Values": list(states)}]


def overdue(instances: Iterable[Instance], now: datetime) -> list[str]:
    """Returns the ids of those that run for longer than their tag MaximumHours says, or that have none that can be read."""
    late = []
    for instance in instances:
        try:
            hours = float(tags_to_dict(instance.get("Tags", []))["MaximumHours"])
        except (KeyError, ValueError):
            hours = 0.0
        if instance["LaunchTime"] + timedelta(hours=hours) <= now:
            late.append(instance["InstanceId"])
    return sorted(late)


def client_token(job: str, market: str, subnet_id: str, earlier: Iterable[str], generation: int) -> str:
    """Returns a token that two controllers share which start the same job at the same time, so that one instance starts.

    A later launch has another one: the instances that ended `earlier` are part of it, and so is `generation`, for those
    that EC2 does not list any more. Source: "Ensuring idempotency in Amazon EC2 API requests"; 64 characters at most.
    """
    facts = json.dumps([job, market, subnet_id, sorted(earlier), generation])
    return hashlib.sha256(facts.encode()).hexdigest()


def request(parameters: Mapping[str, Any], market: str, subnet_id: str) -> dict[str, Any]:
    """Returns the parameters of RunInstances, without the token."""
    tags = dict(parameters["tags"]) | {
        "Name": f"{parameters['tags']['Project']}-{parameters['tags']['Environment']}-training",
        "Role": ROLE,
        "Job": parameters["job"],
        "MaximumHours": f"{parameters['maximum_hours']:g}",
    }
    root = {"Encrypted": True, "VolumeType": "gp3", "VolumeSize": parameters["root_gigabytes"]}
    wanted: dict[str, Any] = {
        "ImageId": parameters["image_id"],
        "InstanceType": parameters["instance_type"],
        "MinCount": 1,
        "MaxCount": 1,
        "IamInstanceProfile": {"Name": parameters["instance_profile"]},
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "SubnetId": subnet_id,
                "Groups": [parameters["security_group_id"]],
                "AssociatePublicIpAddress": False,
                "DeleteOnTermination": True,
            }
        ],
        "BlockDeviceMappings": [{"DeviceName": parameters["root_device"], "Ebs": root | {"DeleteOnTermination": True}}],
        "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        # A host that shuts itself down, done or overdue, is gone and costs nothing.
        "InstanceInitiatedShutdownBehavior": "terminate",
        "UserData": parameters["user_data"],
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": tags_to_list(tags)} for kind in ("instance", "volume", "network-interface")
        ],
    }
    if market == "spot":
        # One-time: EC2 starts nothing by itself; who follows the job decides whether it goes on.
        spot = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        wanted["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": spot}
    return wanted


def market_of(instance: Instance) -> str:
    """Returns spot or on-demand."""
    return str(instance.get("InstanceLifecycle") or "on-demand")
