"""Instances that Session Manager can enter, and sessions with them as AWS's clients have them."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.session

from localcloud import settings as constants

PLUGIN = Path(__file__).resolve().parents[2] / "localcloud/bin/session-manager-plugin"
CORE = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def target(cloud: Any, *policies: str, agent: bool = True, tags: dict[str, str] | None = None) -> str:
    """Launch an instance whose role has managed policies, and whose agent is there or not; return its id."""
    iam, ec2 = cloud.client("iam"), cloud.client("ec2")
    name = f"hosts-{len(cloud.hosts.specs)}"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    for policy in policies:
        iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    launched = ec2.run_instances(
        ImageId=cloud.base_image, MinCount=1, MaxCount=1, InstanceType="c5.large", IamInstanceProfile={"Name": name}
    )
    instance_id: str = launched["Instances"][0]["InstanceId"]
    ec2.describe_instances(InstanceIds=[instance_id])  # waits until it runs
    if tags:
        ec2.create_tags(Resources=[instance_id], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    if agent:
        cloud.agents.instances.add(instance_id)
    return instance_id


def as_role(cloud: Any, documents: list[dict[str, Any]]) -> Any:
    """Return a client of Systems Manager with a session of a role that has these policies."""
    iam = cloud.client("iam")
    role = iam.create_role(RoleName="operator", AssumeRolePolicyDocument="{}")["Role"]
    for number, document in enumerate(documents):
        iam.put_role_policy(RoleName="operator", PolicyName=f"policy-{number}", PolicyDocument=json.dumps(document))
    keys = cloud.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="somebody")["Credentials"]
    return botocore.session.get_session().create_client(
        "ssm",
        endpoint_url=cloud.url,
        region_name=constants.REGION,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


@contextmanager
def joined(cloud: Any, answer: dict[str, Any], *, through_variable: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run the plugin as the AWS command line does, with the answer of StartSession."""
    held = json.dumps({key: answer[key] for key in ("SessionId", "TokenValue", "StreamUrl")})
    first = "AWS_SSM_START_SESSION_RESPONSE" if through_variable else held
    command = [str(PLUGIN), first, constants.REGION, "StartSession", "", "{}", cloud.url]
    environment = {"PATH": "/usr/bin:/bin"} | ({first: held} if through_variable else {})
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, bufsize=0, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()
