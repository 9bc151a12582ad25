"""Images that look like verified ones and are made behind the gates' back."""

import json
import os
import subprocess
import uuid
from typing import Any

import boto3
import fleet
from rehearsal import ROOT

# A host of the local cloud boots, stops and becomes an image within seconds; AWS's own waiters look each 15.
SOON = {"Delay": 1, "MaxAttempts": 90}


def tags(image: dict[str, Any], name: str) -> list[dict[str, str]]:
    """Return the tags of an image for another one: all that its gates have written there, under another name."""
    kept = [tag for tag in image["Tags"] if tag["Key"] != "Name"]
    return [*kept, {"Key": "Name", "Value": name}]


def make(change: str | None) -> str:
    """Make an image of a host of the image that the fleet serves, with one of changes/ in its code; return its id.

    It is the newest verified image of the model, so the next rollout brings it. Without a change it is one more good release.

    Raises:
        AssertionError: its host could not be changed; it holds what Ansible said.
    """
    ec2 = boto3.client("ec2")
    (source,) = ec2.describe_images(ImageIds=[fleet.image()])["Images"]
    builder = _builder(ec2, source)
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=[builder], WaiterConfig=SOON)
        _change(builder, change)
        ec2.stop_instances(InstanceIds=[builder])
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[builder], WaiterConfig=SOON)
        name = f"{fleet.GROUP}-{change or 'good'}-{uuid.uuid4().hex[:8]}".replace("_", "-")
        made: str = ec2.create_image(
            InstanceId=builder, Name=name, TagSpecifications=[{"ResourceType": "image", "Tags": tags(source, name)}]
        )["ImageId"]
        ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig=SOON)
    finally:
        ec2.terminate_instances(InstanceIds=[builder])
    return made


def remove(image: str) -> None:
    """Deregister an image."""
    boto3.client("ec2").deregister_image(ImageId=image)


def _builder(ec2: Any, source: dict[str, Any]) -> str:
    """Start a host without user data: nothing starts its service, and what it does not do need not be cleaned."""
    instance = fleet.an_instance()
    role = {"Key": "Role", "Value": "builder"}
    owner = [tag for tag in source["Tags"] if tag["Key"] in ("Project", "Environment", "ManagedBy")]
    launched = ec2.run_instances(
        ImageId=source["ImageId"],
        InstanceType=instance["InstanceType"],
        SubnetId=instance["SubnetId"],
        SecurityGroupIds=[group["GroupId"] for group in instance["SecurityGroups"]],
        IamInstanceProfile={"Arn": instance["IamInstanceProfile"]["Arn"]},
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [*owner, role]}],
        MinCount=1,
        MaxCount=1,
    )
    identity: str = launched["Instances"][0]["InstanceId"]
    return identity


def _change(builder: str, change: str | None) -> None:
    variables = {"change": change} if change else {}
    command = ["ansible-playbook", "-e", json.dumps(variables), "molecule/rollout/image.yml"]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    # A play without hosts is no error, and would make a good image of a bad release.
    assert done.returncode == 0, done.stdout + done.stderr
    assert builder in done.stdout, done.stdout + done.stderr
