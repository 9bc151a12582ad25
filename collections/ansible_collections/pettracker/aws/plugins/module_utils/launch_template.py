"""A launch template as wanted and as EC2 describes its latest version. Pure functions only.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResponseLaunchTemplateData.html
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.state import tags_to_dict, tags_to_list

METADATA = {
    "http_endpoint": "HttpEndpoint",
    "http_tokens": "HttpTokens",
    "http_put_response_hop_limit": "HttpPutResponseHopLimit",
    "instance_metadata_tags": "InstanceMetadataTags",
}
VOLUME = {
    "volume_type": "VolumeType",
    "volume_size": "VolumeSize",
    "encrypted": "Encrypted",
    "delete_on_termination": "DeleteOnTermination",
    "kms_key_id": "KmsKeyId",
    "iops": "Iops",
    "throughput": "Throughput",
}
# Parts of EC2's data that have a field of their own; whatever else a version holds is named as it is.
READ = {
    *("ImageId", "InstanceType", "IamInstanceProfile", "SecurityGroupIds", "BlockDeviceMappings", "MetadataOptions"),
    *("Monitoring", "UserData", "TagSpecifications"),
}


def wanted_state(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the module's parameters in the fields of `found_state`."""
    return {
        "image": parameters["image_id"],
        "instance_type": parameters["instance_type"],
        "instance_profile": parameters["iam_instance_profile"],
        "security_groups": sorted(parameters["security_group_ids"]),
        "volumes": {item["device_name"]: _set(item["ebs"]) for item in parameters["block_device_mappings"]},
        "metadata_options": _set(parameters["metadata_options"]),
        "detailed_monitoring": parameters["monitoring"]["enabled"],
        "user_data_sha256": _digest(parameters["user_data"]),
        "tags_of": {item["resource_type"]: dict(item["tags"]) for item in parameters["tag_specifications"]},
        "other": {},
        "default_version": "latest",
        "tags": dict(parameters["tags"]),
    }


def found_state(template: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a template and the data of its latest version, as EC2 describes them, in the fields that are compared."""
    profile = data.get("IamInstanceProfile", {})
    latest = template["DefaultVersionNumber"] == template["LatestVersionNumber"]
    return {
        "image": data.get("ImageId"),
        "instance_type": data.get("InstanceType"),
        "instance_profile": profile.get("Arn") or profile.get("Name"),
        "security_groups": sorted(data.get("SecurityGroupIds", [])),
        "volumes": {
            item["DeviceName"]: _named(VOLUME, item.get("Ebs", {})) for item in data.get("BlockDeviceMappings", [])
        },
        "metadata_options": _named(METADATA, data.get("MetadataOptions", {})),
        "detailed_monitoring": data.get("Monitoring", {}).get("Enabled", False),
        "user_data_sha256": _digest(data.get("UserData", "")),
        "tags_of": {item["ResourceType"]: tags_to_dict(item["Tags"]) for item in data.get("TagSpecifications", [])},
        "other": {key: value for key, value in data.items() if key not in READ and value not in (None, [], {})},
        "default_version": "latest" if latest else str(template["DefaultVersionNumber"]),
        "tags": tags_to_dict(template.get("Tags", [])),
    }


def data_request(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the module's parameters as EC2's LaunchTemplateData."""
    profile = parameters["iam_instance_profile"]
    return {
        "ImageId": parameters["image_id"],
        "InstanceType": parameters["instance_type"],
        "IamInstanceProfile": {"Arn" if profile.startswith("arn:") else "Name": profile},
        "SecurityGroupIds": parameters["security_group_ids"],
        "BlockDeviceMappings": [
            {
                "DeviceName": item["device_name"],
                "Ebs": {VOLUME[name]: value for name, value in _set(item["ebs"]).items()},
            }
            for item in parameters["block_device_mappings"]
        ],
        "MetadataOptions": {METADATA[name]: value for name, value in _set(parameters["metadata_options"]).items()},
        "Monitoring": {"Enabled": parameters["monitoring"]["enabled"]},
        "UserData": parameters["user_data"],
        "TagSpecifications": [
            {"ResourceType": item["resource_type"], "Tags": tags_to_list(item["tags"])}
            for item in parameters["tag_specifications"]
        ],
    }


def _set(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _named(names: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[key] for name, key in names.items() if options.get(key) is not None}


def text_of(user_data: str) -> str:
    """Returns user data as a text."""
    return base64.b64decode(user_data or "").decode(errors="replace")


def _digest(user_data: str) -> str:
    """Returns a digest of user data: enough to see that it is another, and no secret where there is one in it."""
    return hashlib.sha256(base64.b64decode(user_data or "")).hexdigest()
