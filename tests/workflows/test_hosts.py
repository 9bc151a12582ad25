"""What hosts ask of AWS, with the roles of staging, in an account that judges them: all that their software needs, no more."""

import json
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from localcloud import settings as constants
from localcloud.agent.standin.api import Api, ApiError, Credentials, Metadata
from tests.localcloud.conftest import Cloud
from tests.localcloud.host_keys import Host
from tests.workflows.conftest import Made


class Given(Metadata):
    """The metadata of a host, as far as its agent asks."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._key = host.key

    def credentials(self) -> Credentials:
        token = str(self._key.session_token)
        expires = datetime.now(UTC) + timedelta(hours=1)
        return Credentials(self._key.access_key_id, self._key.secret_access_key, token, expires)


def host_of(made: Made, cloud: Cloud, kind: str) -> tuple[Host, Api]:
    """A host of a kind, bounded as all of them, and its agent's door to AWS."""
    for name in made.names["buckets"].values():
        cloud.client("s3").create_bucket(Bucket=name)
    for name in made.names["log_groups"]:
        cloud.client("logs").create_log_group(logGroupName=name)
    (most,) = made.policies["boundary"]
    arn = cloud.client("iam").create_policy(PolicyName="most", PolicyDocument=json.dumps(most))["Policy"]["Arn"]
    statements = [statement for document in made.policies[kind] for statement in document["Statement"]]
    host = Host(cloud, *statements, boundary=arn)
    return host, Api(cloud.url, constants.REGION, Given(host))


def figure() -> list[dict[str, Any]]:
    return [{"name": "m", "timestamp": datetime.now(UTC), "dimensions": {}, "value": 1.0}]


def refused(call: Any, **arguments: Any) -> None:
    with pytest.raises(ClientError, match=r"AccessDenied|UnauthorizedOperation"):
        call(**arguments)


def test_a_service_host_ships_what_it_says_completes_its_hooks_and_reads_models(made: Made, cloud: Cloud) -> None:
    host, agent = host_of(made, cloud, "service")
    (log_group, other_group), (namespace, other_namespace) = made.names["log_groups"], made.names["metric_namespaces"]
    agent.put_metrics(namespace, figure())
    agent.put_events(log_group, host.instance_id, [{"timestamp": 1, "message": "m"}], None)
    assert agent.group_of(host.instance_id) is None
    for call in (
        lambda: agent.put_metrics(other_namespace, figure()),
        lambda: agent.put_events(other_group, host.instance_id, [{"timestamp": 1, "message": "m"}], None),
    ):
        with pytest.raises(ApiError, match="AccessDenied"):
            call()
    action = {"LifecycleHookName": "warm", "InstanceId": host.instance_id, "LifecycleActionResult": "CONTINUE"}
    groups = host.client("autoscaling")
    for group in made.names["groups"]:
        # There is no such group: what is refused is not the call.
        with pytest.raises(ClientError, match="ValidationError"):
            groups.complete_lifecycle_action(AutoScalingGroupName=group, **action)
    refused(groups.complete_lifecycle_action, AutoScalingGroupName="other", **action)
    refused(groups.terminate_instance_in_auto_scaling_group, InstanceId="i-1", ShouldDecrementDesiredCapacity=True)
    models, datasets = made.names["buckets"]["models"], made.names["buckets"]["datasets"]
    for bucket, key in ((models, "production/a"), (models, "experiments/a"), (datasets, "a")):
        cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=b"1")
    s3 = host.client("s3")
    s3.get_object(Bucket=models, Key="production/a")
    s3.list_objects_v2(Bucket=models, Prefix="production/")
    refused(s3.get_object, Bucket=models, Key="experiments/a")
    refused(s3.get_object, Bucket=datasets, Key="a")
    refused(s3.put_object, Bucket=models, Key="production/a", Body=b"2")
    refused(host.client("ec2").run_instances, ImageId=cloud.base_image, MinCount=1, MaxCount=1)


def test_a_training_host_reads_datasets_and_writes_experiments(made: Made, cloud: Cloud) -> None:
    host, agent = host_of(made, cloud, "training")
    log_group, namespace = made.names["log_groups"][1], made.names["metric_namespaces"][1]
    agent.put_metrics(namespace, figure())
    agent.put_events(log_group, host.instance_id, [{"timestamp": 1, "message": "m"}], None)
    models, datasets = made.names["buckets"]["models"], made.names["buckets"]["datasets"]
    cloud.client("s3").put_object(Bucket=datasets, Key="pets/a", Body=b"1")
    s3 = host.client("s3")
    s3.list_objects_v2(Bucket=datasets, Prefix="pets/")
    s3.head_object(Bucket=datasets, Key="pets/a")
    in_parts = TransferConfig(multipart_threshold=5 * 1024**2)
    (checkpoint, run) = "experiments/1/checkpoints/a", "experiments/1/run/run.json"
    s3.upload_fileobj(BytesIO(bytes(6 * 1024**2)), models, checkpoint, Config=in_parts)
    s3.put_object(Bucket=models, Key=run, Body=b"{}")
    s3.list_objects_v2(Bucket=models, Prefix="experiments/1/")
    s3.get_object(Bucket=models, Key=run)
    s3.delete_object(Bucket=models, Key=checkpoint)
    refused(s3.delete_object, Bucket=models, Key=run)
    refused(s3.put_object, Bucket=models, Key="experiments/1/index.json", Body=b"1")
    refused(s3.put_object, Bucket=models, Key="production/a", Body=b"1")
    refused(s3.put_object, Bucket=datasets, Key="pets/b", Body=b"1")
