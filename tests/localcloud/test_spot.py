"""Spot interruptions: asked for by an experiment of the Fault Injection Service, announced to the host, carried out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import environment
from localcloud.corrections import fis
from localcloud.interruption import send_interruption
from localcloud.metadata import identity
from localcloud.metadata.identity import find_instance
from localcloud.metadata.instance_data import find, instance_tree
from localcloud.metadata.spot import Interruptions
from localcloud.settings import Settings
from tests.localcloud.conftest import Cloud, eventually


@pytest.fixture
def interruptions(monkeypatch: pytest.MonkeyPatch) -> Interruptions:
    """Interruptions of this test alone, with an end that can be waited for."""
    one = Interruptions(timedelta(seconds=1))
    monkeypatch.setattr(identity, "interruptions", one)
    monkeypatch.setattr(fis, "interruptions", one)
    return one


def launch(cloud: Cloud) -> tuple[str, str]:
    """Return id and address of a running instance."""
    ec2 = cloud.client("ec2")
    instance = ec2.run_instances(ImageId=cloud.base_image, MinCount=1, MaxCount=1)["Instances"][0]
    eventually(lambda: state(cloud, instance["InstanceId"]) == "running")
    return instance["InstanceId"], instance["PrivateIpAddress"]


def state(cloud: Cloud, instance_id: str) -> str:
    reservations = cloud.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"]
    return str(reservations[0]["Instances"][0]["State"]["Name"])


def document(address: str, path: str) -> str | None:
    view = find_instance(address)
    assert view is not None
    content = find(instance_tree(view, lambda _: {}), f"/latest/meta-data/{path}")
    return content.decode() if content is not None else None


def settings_of(cloud: Cloud, tmp_path: Any) -> Settings:
    """Those of another process of the same user, which finds the account and its key."""
    settings = Settings(root=tmp_path, api_port=int(cloud.url.rpartition(":")[2]))
    settings.state_dir.mkdir()
    environment.write(settings, cloud.key)
    return settings


def test_an_interrupted_host_has_its_notice_at_once_and_ends_when_it_says(
    cloud: Cloud, interruptions: Interruptions, tmp_path: Any
) -> None:
    (instance_id, address), (other, elsewhere) = launch(cloud), launch(cloud)
    assert document(address, "spot/instance-action") is None
    before = datetime.now(UTC)
    send_interruption(settings_of(cloud, tmp_path), instance_id)
    end = interruptions.end(instance_id)
    assert end is not None
    assert before <= end - timedelta(seconds=1) <= datetime.now(UTC)
    assert document(address, "spot/instance-action") == f'{{"action": "terminate", "time": "{end:%Y-%m-%dT%H:%M:%SZ}"}}'
    assert "noticeTime" in str(document(address, "events/recommendations/rebalance"))
    assert document(elsewhere, "spot/instance-action") is None
    eventually(lambda: state(cloud, instance_id) == "terminated")
    assert state(cloud, other) == "running"
    (reservation,) = cloud.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"]
    assert reservation["Instances"][0]["StateReason"]["Code"] == "Server.SpotInstanceTermination"


def test_a_recommendation_comes_before_the_notice_when_the_experiment_says_so(
    cloud: Cloud, interruptions: Interruptions
) -> None:
    instance_id, address = launch(cloud)
    interruptions.announce(instance_id, ahead=timedelta(minutes=3))
    assert "noticeTime" in str(document(address, "events/recommendations/rebalance"))
    assert document(address, "spot/instance-action") is None
    assert interruptions.announced(instance_id) is None


def test_an_instance_knows_which_market_it_was_bought_on(cloud: Cloud) -> None:
    spot = cloud.client("ec2").run_instances(
        ImageId=cloud.base_image, MinCount=1, MaxCount=1, InstanceMarketOptions={"MarketType": "spot"}
    )["Instances"][0]
    assert document(spot["PrivateIpAddress"], "instance-life-cycle") == "spot"
    assert document(launch(cloud)[1], "instance-life-cycle") == "on-demand"


def test_an_experiment_that_the_cloud_cannot_carry_out_is_refused(cloud: Cloud, interruptions: Interruptions) -> None:
    instance_id, _ = launch(cloud)
    arn = f"arn:aws:ec2:us-east-1:123456789012:instance/{instance_id}"
    good = {
        "actions": {
            "a": {
                "actionId": "aws:ec2:send-spot-instance-interruptions",
                "parameters": {"durationBeforeInterruption": "PT2M"},
                "targets": {"SpotInstances": "t"},
            }
        },
        "targets": {"t": {"resourceType": "aws:ec2:spot-instance", "resourceArns": [arn], "selectionMode": "ALL"}},
    }
    wrong = [
        good | {"actions": {"a": good["actions"]["a"] | {"actionId": "aws:ec2:stop-instances"}}},
        good | {"actions": {"a": good["actions"]["a"] | {"parameters": {"durationBeforeInterruption": "PT16M"}}}},
        good | {"targets": {"t": good["targets"]["t"] | {"resourceType": "aws:ec2:instance"}}},
        good | {"targets": {"t": good["targets"]["t"] | {"resourceArns": [f"{arn}0"]}}},
    ]
    client = cloud.client("fis")
    for experiment in wrong:
        template = client.create_experiment_template(
            clientToken=str(wrong.index(experiment)),
            description="wrong",
            roleArn="arn:aws:iam::123456789012:role/x",
            stopConditions=[{"source": "none"}],
            **experiment,
        )["experimentTemplate"]["id"]
        with pytest.raises(ClientError, match="ValidationException"):
            client.start_experiment(clientToken=f"start-{template}", experimentTemplateId=template)
    assert interruptions.announced(instance_id) is None
