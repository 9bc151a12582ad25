"""EC2 launch templates, and what their latest version holds.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResponseLaunchTemplateData.html
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..state import State, tags_to_dict, tags_to_list
from .fields import FIXED, IDENTITY, TIME, UNSET, Answer, Compared, Default, Ignored, Marks, compared, each, snake
from .finding import pages
from .kind import Answers, Clients, Grant, Kind, Owned, Scope, iso_time

# Fields that are of the template and not of its latest version.
OF_THE_TEMPLATE = {"tags", "default_version"}
DATA: dict[str, Any] = {
    **compared(image="ImageId", instance_type="InstanceType", instance_profile="IamInstanceProfile"),
    **compared(security_groups="SecurityGroupIds", volumes="BlockDeviceMappings", user_data_sha256="UserData"),
    **compared(tags_of="TagSpecifications"),
    "MetadataOptions": {
        "State": Ignored("of an instance, whether its options have been applied"),
        **compared(metadata_options="HttpTokens HttpPutResponseHopLimit HttpEndpoint InstanceMetadataTags"),
        "HttpProtocolIpv6": Default("disabled"),
    },
    "Monitoring": {**compared(detailed_monitoring="Enabled"), "MetricCategoryIds": UNSET},
    "Operator": FIXED,
}
# Whatever else a version may hold: no variable sets it, so that `other` is empty.
OTHERS: dict[str, Any] = {
    **compared(other="KernelId EbsOptimized NetworkInterfaces KeyName Placement RamDiskId SecurityGroups"),
    **compared(other="InstanceInitiatedShutdownBehavior ElasticGpuSpecifications ElasticInferenceAccelerators CpuOptions"),
    **compared(other="InstanceMarketOptions CreditSpecification CapacityReservationSpecification LicenseSpecifications"),
    **compared(other="HibernationOptions EnclaveOptions InstanceRequirements PrivateDnsNameOptions MaintenanceOptions"),
    **compared(other="DisableApiStop DisableApiTermination NetworkPerformanceOptions"),
    "SecondaryInterfaces": {
        **compared(other="InterfaceType DeleteOnTermination DeviceIndex PrivateIpAddresses PrivateIpAddressCount"),
        **compared(other="SecondarySubnetId NetworkCardIndex"),
    },
}
ARN = "arn:{partition}:ec2:{region}:{account}:launch-template/*"
LAUNCH_TEMPLATES: Marks = {
    **each(IDENTITY, "LaunchTemplateId LaunchTemplateName"),
    "CreateTime": TIME,
    "CreatedBy": Ignored("who made it"),
    **compared(default_version="DefaultVersionNumber LatestVersionNumber", tags="Tags"),
    "Operator": FIXED,
}
LAUNCH_TEMPLATE_VERSIONS: Marks = {
    **each(IDENTITY, "LaunchTemplateId LaunchTemplateName VersionNumber"),
    "VersionDescription": Ignored("a text for people"),
    "CreateTime": TIME,
    "CreatedBy": Ignored("who made it; what is in it is compared"),
    "DefaultVersion": Ignored("the template itself says which is the default"),
    "LaunchTemplateData": DATA | OTHERS,
    "Operator": FIXED,
}
EITHER = ((("LaunchTemplateData.IamInstanceProfile.Arn",), ("LaunchTemplateData.IamInstanceProfile.Name",)),)


class LaunchTemplate(Kind):
    """A template, of which a new version is made whenever the latest one differs."""

    name = "launch template"
    service = "ec2"
    free = "its hosts are the Auto Scaling group's"
    answers = (
        Answer("DescribeLaunchTemplates", "LaunchTemplates", LAUNCH_TEMPLATES),
        # Of the latest version: any other is neither a default nor what a rollout brings to the group.
        Answer("DescribeLaunchTemplateVersions", "LaunchTemplateVersions", LAUNCH_TEMPLATE_VERSIONS, either=EITHER),
    )
    made_by_apply = ("image", "security_groups")
    look = (Grant("ec2", "DescribeLaunchTemplateVersions DescribeLaunchTemplates"),)
    change = (
        Grant("ec2", "CreateLaunchTemplate", (ARN,), "making"),
        Grant(
            "ec2",
            "CreateLaunchTemplateVersion CreateTags DeleteLaunchTemplateVersions DeleteTags ModifyLaunchTemplate",
            (ARN,),
            "own",
        ),
    )
    removal = (Grant("ec2", "DeleteLaunchTemplate", (ARN,), "own"),)
    delete = "delete_launch_template", "LaunchTemplateId"

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        for template in pages(clients("ec2"), "describe_launch_templates", "LaunchTemplates", Filters=scope.tag_filters):
            yield Owned(template["LaunchTemplateId"], template["LaunchTemplateName"], iso_time(template["CreateTime"]))

    def read(self, clients: Clients, name: str) -> Answers:
        """Returns AWS's answers about the template of that name; nothing where there is none."""
        ec2 = clients("ec2")
        by_name = [{"Name": "launch-template-name", "Values": [name]}]
        templates = ec2.describe_launch_templates(Filters=by_name)["LaunchTemplates"]
        if not templates:
            return {}
        (latest,) = ec2.describe_launch_template_versions(
            LaunchTemplateId=templates[0]["LaunchTemplateId"], Versions=[str(templates[0]["LatestVersionNumber"])]
        )["LaunchTemplateVersions"]
        return {"DescribeLaunchTemplates": templates[0], "DescribeLaunchTemplateVersions": latest}

    def state(self, answers: Answers) -> State:
        template, data = (answers["DescribeLaunchTemplates"], answers["DescribeLaunchTemplateVersions"]["LaunchTemplateData"])
        profile, tagged = data.get("IamInstanceProfile") or {}, data.get("TagSpecifications") or []
        latest = template["DefaultVersionNumber"] == template["LatestVersionNumber"]
        return {
            "image": data.get("ImageId"),
            "instance_type": data.get("InstanceType"),
            "instance_profile": profile.get("Arn") or profile.get("Name"),
            "security_groups": sorted(data.get("SecurityGroupIds") or []),
            "volumes": {item["DeviceName"]: _volume(item) for item in data.get("BlockDeviceMappings") or []},
            "metadata_options": _compared(DATA["MetadataOptions"], data.get("MetadataOptions") or {}),
            "detailed_monitoring": (data.get("Monitoring") or {}).get("Enabled", False),
            "user_data_sha256": _digest(data.get("UserData")),
            "tags_of": {one["ResourceType"]: tags_to_dict(one.get("Tags") or []) for one in tagged},
            "other": _others(data),
            "default_version": "latest" if latest else str(template["DefaultVersionNumber"]),
            "tags": tags_to_dict(template.get("Tags") or []),
        }


def wanted_state(parameters: Mapping[str, Any]) -> State:
    """Returns the module's parameters in the fields of `state`: what a template would be that holds them."""
    template = {"DefaultVersionNumber": 1, "LatestVersionNumber": 1, "Tags": tags_to_list(parameters["tags"])}
    version = {"LaunchTemplateData": data_request(parameters)}
    return LaunchTemplate().state({"DescribeLaunchTemplates": template, "DescribeLaunchTemplateVersions": version})


def data_request(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the module's parameters as EC2's LaunchTemplateData."""
    profile, volumes = parameters["iam_instance_profile"], parameters["block_device_mappings"]
    tagged = parameters["tag_specifications"]
    return {
        "ImageId": parameters["image_id"],
        "InstanceType": parameters["instance_type"],
        "IamInstanceProfile": {"Arn" if profile.startswith("arn:") else "Name": profile},
        "SecurityGroupIds": parameters["security_group_ids"],
        "BlockDeviceMappings": [{"DeviceName": one["device_name"], "Ebs": _request(one["ebs"])} for one in volumes],
        "MetadataOptions": _request(parameters["metadata_options"]),
        "Monitoring": {"Enabled": parameters["monitoring"]["enabled"]},
        "UserData": parameters["user_data"],
        "TagSpecifications": [{"ResourceType": one["resource_type"], "Tags": tags_to_list(one["tags"])} for one in tagged],
    }


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _request(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns options as AWS calls them: `volume_size` is VolumeSize."""
    return {name.title().replace("_", ""): value for name, value in _given(options).items()}


def _volume(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is set of a volume, and of its mapping beside the name of the device."""
    beside = {key: value for key, value in mapping.items() if key not in ("DeviceName", "Ebs")}
    return {snake(key): value for key, value in _given(beside | (mapping.get("Ebs") or {})).items()}


def _compared(marks: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    return {snake(key): value for key, value in _given(options).items() if isinstance(marks.get(key), Compared)}


def _others(data: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a version holds beside the fields of their own, with times as texts."""
    found = {key: value for key, value in data.items() if key not in DATA and value not in (None, [], {})}
    others: dict[str, Any] = json.loads(json.dumps(found, default=str))
    return others


def text_of(user_data: str) -> str:
    """Returns user data as a text."""
    return base64.b64decode(user_data or "").decode(errors="replace")


def _digest(user_data: str | None) -> str:
    """Returns a digest of user data: enough to see that it is another, and no secret where there is one in it."""
    text = user_data or ""
    try:
        data = base64.b64decode(text)
    except binascii.Error:
        data = text.encode()
    return hashlib.sha256(data).hexdigest()
