#!/usr/bin/python

from typing import Any

from ..module_utils.kinds.ec2 import correct_tags
from ..module_utils.kinds.kind import as_set
from ..module_utils.kinds.launch_template import OF_THE_TEMPLATE, LaunchTemplate, data_request, text_of, wanted_state
from ..module_utils.module import Module, Result, run_module
from ..module_utils.propagation import NEW_ID, once_known
from ..module_utils.state import as_diff, differences, tags_to_list

DOCUMENTATION = r"""
module: launch_template
short_description: Keeps the latest version of a launch template as it should be
description:
  - Makes a launch template, or a new version of it when the latest one differs, and makes the latest version the default one.
    Groups that name a version keep theirs.
  - Unlike M(amazon.aws.ec2_launch_template) it names each field that differs, and finds what somebody has put in by hand.
options:
  name: {type: str, required: true, description: "Name of the template."}
  image_id: {type: str, required: true, description: "Image that instances start from."}
  instance_type: {type: str, required: true, description: "Type of the instances."}
  iam_instance_profile: {type: str, required: true, description: "ARN or name of the instance profile."}
  security_group_ids: {type: list, elements: str, required: true, description: "Security groups of the instances."}
  block_device_mappings:
    type: list
    elements: dict
    required: true
    description: "Volumes of the instances."
    suboptions:
      device_name: {type: str, required: true, description: "Device as the image names it."}
      ebs:
        type: dict
        required: true
        description: "The volume."
        suboptions:
          volume_type: {type: str, description: "Type of the volume."}
          volume_size: {type: int, description: "Size in GiB."}
          encrypted: {type: bool, description: "Whether the volume is encrypted."}
          delete_on_termination: {type: bool, description: "Whether the volume goes with its instance."}
          kms_key_id: {type: str, description: "Key that the volume is encrypted with; EBS's own when it is missing."}
          iops: {type: int, description: "Operations each second."}
          throughput: {type: int, description: "MiB each second."}
  metadata_options:
    type: dict
    required: true
    description: "How the instance's metadata service answers."
    suboptions:
      http_endpoint: {type: str, description: "Whether it answers."}
      http_tokens: {type: str, required: true, description: "Whether it asks for a token."}
      http_put_response_hop_limit: {type: int, description: "How many network hops a token may travel."}
      instance_metadata_tags: {type: str, description: "Whether it tells the instance's tags."}
  monitoring:
    type: dict
    required: true
    description: "Monitoring of the instances."
    suboptions:
      enabled: {type: bool, required: true, description: "Whether metrics come each minute."}
  user_data: {type: str, required: true, description: "User data, as base64. Differences show only its digest."}
  tag_specifications:
    type: list
    elements: dict
    default: []
    description: "Tags of what is launched."
    suboptions:
      resource_type: {type: str, required: true, description: "Kind of what is tagged, such as C(instance)."}
      tags: {type: dict, required: true, description: "The tags."}
  tags: {type: dict, default: {}, description: "All tags of the template itself."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Describe the hosts
  pettracker.aws.launch_template:
    name: pettracker-dev-service
    image_id: ami-0123456789abcdef0
    instance_type: c5.large
    iam_instance_profile: pettracker-dev-service
    security_group_ids: [sg-0123456789abcdef0]
    block_device_mappings: [{device_name: /dev/xvda, ebs: {volume_type: gp3, volume_size: 50, encrypted: true}}]
    metadata_options: {http_tokens: required, http_put_response_hop_limit: 1}
    monitoring: {enabled: true}
    user_data: "{{ '#!/bin/sh' | b64encode }}"
"""

RETURN = r"""
template: {type: dict, returned: when it exists, description: "The template, with its C(launch_template_id)."}
latest_version: {type: int, returned: always, description: "Number of its latest version, in check mode of the one to come."}
"""

REPLACED = "Hosts are replaced one after the other by the rollout that follows."


def create(ec2: Any, name: str, parameters: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    """Makes the template and returns EC2's answer: a describe may not know it for a while."""
    made: dict[str, Any] = ec2.create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData=data_request(parameters),
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags_to_list(tags)}],
    )["LaunchTemplate"]
    return made


def correct(ec2: Any, template: dict[str, Any], parameters: dict[str, Any], fields: list[str], tags: dict[str, str]) -> int:
    """Makes a new version where the data differ, the latest one the default, and the tags right; returns the latest one."""
    identity, latest = template["LaunchTemplateId"], int(template["LatestVersionNumber"])
    if set(fields) - OF_THE_TEMPLATE:
        made = ec2.create_launch_template_version(LaunchTemplateId=identity, LaunchTemplateData=data_request(parameters))
        latest = made["LaunchTemplateVersion"]["VersionNumber"]
    if set(fields) - {"tags"}:
        once_known(lambda: ec2.modify_launch_template(LaunchTemplateId=identity, DefaultVersion=str(latest)), NEW_ID)
    correct_tags(ec2, identity, parameters["tags"], tags)
    return latest


def run(module: Module) -> Result:
    """Compares with the latest version, and acts on a difference unless in check mode."""
    kind, ec2 = LaunchTemplate(), module.client("ec2")
    name = module.params["name"]
    wanted = wanted_state(module.params)
    answers = kind.read(module.client, name)
    template = answers.get("DescribeLaunchTemplates")
    found = kind.state(answers) if answers else None
    wanted, found = as_set(wanted, found, kind.deviations(answers) if answers else [])
    fields = differences(wanted, found)
    interrupts = dict.fromkeys(set(wanted) - OF_THE_TEMPLATE, REPLACED)
    diff = as_diff(f"launch template {name}", wanted, found, interrupts=interrupts)
    # For the guard rails, which look for secrets in it; no difference shows it.
    diff["state"]["after"]["user_data"] = text_of(module.params["user_data"])
    latest = template["LatestVersionNumber"] if template else 0
    if module.check_mode:
        latest += 1 if set(fields) - OF_THE_TEMPLATE else 0
    elif fields and template and found:
        latest = correct(ec2, template, module.params, fields, found["tags"])
    elif fields:
        template = create(ec2, name, module.params, wanted["tags"])
        latest = template["LatestVersionNumber"]
    result: dict[str, Any] = {"changed": bool(fields), "diff": diff, "latest_version": latest, "nobodys": {}}
    if template:
        identity = template["LaunchTemplateId"]
        result |= {"template": {"launch_template_id": identity}, "managed": {"launch template": [identity]}}
    return result


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the launch template", no_log={"kms_key_id": False, "http_tokens": False})
