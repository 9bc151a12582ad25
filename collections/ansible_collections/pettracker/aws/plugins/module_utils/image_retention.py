"""Which machine images of an environment are not needed any more: what refers to images, and what is left of the others."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from .refusals import unless_gone
from .rollout.instance_refreshes import GOING_BACK, GOING_ON
from .state import tags_to_dict

Image = Mapping[str, Any]
# States of an instance that has its disk, or will have it: user guide of EC2, "Amazon EC2 instance state changes".
THERE = ("pending", "running", "stopping", "stopped", "shutting-down")
# An image that is not verified may be one that somebody is making right now. No bake lasts that long.
UNFINISHED = timedelta(days=1)


def superfluous(images: Iterable[Image], in_use: Collection[str], keep: int, now: datetime, to_be_made: int = 0) -> list[Image]:
    """Returns the images that may go, oldest first: not among the `keep` newest verified ones, and not in use.

    Args:
        images: as DescribeImages tells them.
        now: with its time zone.
        to_be_made: how many images there will be besides, newer than all.
    """
    oldest_first = sorted(images, key=lambda image: (image["CreationDate"], image["ImageId"]))
    verified = [image["ImageId"] for image in oldest_first if _tags(image).get("Verified") == "true"]
    staying = max(keep - to_be_made, 0)
    kept = {*in_use, *(verified[-staying:] if staying else [])}
    return [image for image in oldest_first if image["ImageId"] not in kept and not _left_alone(image, now)]


def _left_alone(image: Image, now: datetime) -> bool:
    # `disabled` where it is off: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Image.html
    if image.get("DeregistrationProtection") not in (None, "", "disabled"):
        return True
    unfinished = _tags(image).get("Verified") != "true"
    return unfinished and now - datetime.fromisoformat(image["CreationDate"]) < UNFINISHED


def described(image: Image) -> dict[str, Any]:
    """Returns what a plan says of an image."""
    tags = _tags(image)
    mappings = image.get("BlockDeviceMappings", [])
    return {
        "image_id": image["ImageId"],
        "made": image["CreationDate"],
        "model": f"{tags.get('ModelName', '')} {tags.get('ModelVersion', '')}".strip(),
        "verified": tags.get("Verified") == "true",
        "snapshots": sorted(one["Ebs"]["SnapshotId"] for one in mappings if "SnapshotId" in one.get("Ebs", {})),
    }


def _tags(image: Image) -> dict[str, str]:
    return tags_to_dict(image.get("Tags", []))


def own_images(ec2: Any, tags: Mapping[str, str]) -> list[Image]:
    """Returns the account's images with these tags."""
    pages = ec2.get_paginator("describe_images").paginate(Owners=["self"], Filters=_by(tags))
    return [image for page in pages for image in page["Images"]]


def images_in_use(ec2: Any, autoscaling: Any, tags: Mapping[str, str]) -> set[str]:
    """Returns the ids of images that something refers to.

    These are instances, whoever's; and of what has the tags: the versions $Default and $Latest of launch templates, those
    that groups or their members have, and those that a refresh brings or goes back to.
    """
    pages = ec2.get_paginator("describe_instances").paginate(Filters=[{"Name": "instance-state-name", "Values": list(THERE)}])
    found = {one["ImageId"] for page in pages for held in page["Reservations"] for one in held["Instances"]}
    templates = ec2.get_paginator("describe_launch_templates").paginate(Filters=_by(tags))
    versions = {
        (template["LaunchTemplateId"], version)
        for page in templates
        for template in page["LaunchTemplates"]
        for version in ("$Default", "$Latest")
    }
    groups = autoscaling.get_paginator("describe_auto_scaling_groups").paginate(Filters=_by(tags))
    for group in (group for page in groups for group in page["AutoScalingGroups"]):
        name = group["AutoScalingGroupName"]
        refreshes = autoscaling.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]
        active = [one for one in refreshes if one["Status"] in (*GOING_ON, *GOING_BACK)]
        versions |= set(_specified([group, active]))
    for template, version in sorted(versions):
        found |= _images_of(ec2, template, version)
    return found


def _specified(described_by: Any) -> Iterator[tuple[str, str]]:
    """Yields id and version of each launch template that is named anywhere in a description."""
    if isinstance(described_by, Mapping):
        if "LaunchTemplateId" in described_by:
            # Auto Scaling takes the default version where none is named:
            # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LaunchTemplateSpecification.html
            yield described_by["LaunchTemplateId"], described_by.get("Version", "$Default")
        described_by = list(described_by.values())
    if isinstance(described_by, list):
        for item in described_by:
            yield from _specified(item)


def _images_of(ec2: Any, template: str, version: str) -> set[str]:
    answer = unless_gone(lambda: ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=[version]), {})
    data = [one["LaunchTemplateData"] for one in answer.get("LaunchTemplateVersions", [])]
    return {one["ImageId"] for one in data if "ImageId" in one}


def _by(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"Name": f"tag:{name}", "Values": [value]} for name, value in tags.items()]


def deregister(ec2: Any, image: Image) -> list[str]:
    """Removes an image with its snapshots. Returns a sentence for each snapshot that stays although nothing needs it.

    A snapshot that another image has, too, is skipped, and goes with that one:
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeregisterImage.html
    """
    identity = image["ImageId"]
    answer = unless_gone(lambda: ec2.deregister_image(ImageId=identity, DeleteAssociatedSnapshots=True), {})
    return [
        f"{one['SnapshotId']} of {identity}: {one['ReturnCode']}"
        for one in answer.get("DeleteSnapshotResults", [])
        if one["ReturnCode"] not in ("success", "skipped")
    ]
