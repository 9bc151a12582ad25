"""An account in which EC2 and IAM need a while until they know what they have just made, and in which calls are throttled."""

import functools
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.retries.standard import ExponentialBackoff

from tests.plan.world import NAME, TAGS, World, make, policy  # isort: skip - makes the project's module_utils importable

from ansible_collections.pettracker.aws.plugins.module_utils import owned_resources, propagation
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Scope
from ansible_collections.pettracker.aws.plugins.module_utils.network import client as network_client

from localcloud import settings as constants
from localcloud.account import Account
from localcloud.corrections import ec2_consistency
from tests.plugins.loading import load

ROOT = Path(__file__).parents[2]
Client = Callable[..., Any]
DELAY = 0.2


@pytest.fixture
def slow(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account that needs DELAY seconds, and modules that look again after a tenth of it."""
    account.consistency.delay = DELAY
    monkeypatch.setattr(propagation, "PAUSE", DELAY / 10)
    monkeypatch.setitem(propagation.SOON, "Delay", DELAY / 10)
    monkeypatch.setitem(network_client.PATIENCE, "Delay", DELAY / 10)
    yield
    account.consistency.delay = 0.0


@pytest.fixture
def scattered(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[str, str]]]:
    """EC2 as many servers: each kind of call first meets one that does not know an id, although others have known it already.

    Those calls and ids are what it yields.
    """
    refused: set[tuple[str, str]] = set()
    original = ec2_consistency.unknown

    def unknown(request: Any, consistency: Any) -> Any:
        def is_new(what: str) -> bool:
            asked = (request._get_action(), what)
            new = what.rpartition("-")[0] in ec2_consistency.UNKNOWN and asked not in refused
            refused.update([asked] if new else [])
            return new

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(consistency, "is_new", is_new)
            return original(request, consistency)

    monkeypatch.setattr(ec2_consistency, "unknown", unknown)
    monkeypatch.setattr(propagation, "PAUSE", 0.0)
    monkeypatch.setitem(propagation.SOON, "Delay", 0)
    monkeypatch.setitem(network_client.PATIENCE, "Delay", 0)
    account.consistency.delay = 1e-6
    yield refused
    account.consistency.delay = 0.0


def test_what_one_server_of_ec2_does_not_know_is_asked_again_and_what_another_has_done_is_not(
    world: World, scattered: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.parameters = {name: world.parameters[name] for name in ("vpc_network", "log_groups", "iam_roles", "vpc_flow_log")}
    world.apply()
    refused = {action for action, _ in scattered}
    assert refused > {"CreateSubnet", "CreateRouteTable", "CreateRoute", "AssociateRouteTable", "CreateNatGateway"}
    assert refused > {"ModifyVpcAttribute", "DescribeNetworkAcls", "CreateTags", "CreateVpcEndpoint", "CreateFlowLogs"}
    monkeypatch.undo()
    assert world.plan() == []
    ec2 = world.client("ec2")
    assert len(ec2.describe_nat_gateways()["NatGateways"]) == len(ec2.describe_addresses()["Addresses"]) == 2
    assert len(ec2.describe_flow_logs()["FlowLogs"]) == len(ec2.describe_vpc_endpoints()["VpcEndpoints"]) == 1


def new_policy(world: World, name: str) -> str:
    document = json.dumps(policy("Read", "s3:GetObject", "*"))
    arn: str = world.client("iam").create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
    return arn


@pytest.mark.usefixtures("slow")
def test_everything_is_made_at_once_and_nothing_twice(world: World) -> None:
    # In another order than the playbooks', for the network takes longer than a policy until it is known.
    world.parameters = {"iam_roles": world.parameters.pop("iam_roles")} | world.parameters
    (role,) = world.parameters["iam_roles"]["roles"]
    role["permissions_boundary"] = new_policy(world, "boundary")
    world.apply()
    assert world.results["launch_template"]["latest_version"] == 1
    assert world.claimed["launch template"] == {world.results["launch_template"]["template"]["launch_template_id"]}
    time.sleep(DELAY)
    assert world.plan() == []

    everything = dict(world.parameters)
    world.parameters = {"iam_roles": everything["iam_roles"]}
    role["managed_policies"] = [new_policy(world, "own")]
    assert world.apply()
    role["permissions_boundary"] = new_policy(world, "other")
    assert world.apply()

    # What rolls out goes by this number.
    world.parameters = {"launch_template": everything["launch_template"] | {"instance_type": "c6i.large"}}
    world.apply()
    assert world.results["launch_template"]["latest_version"] == 2
    (template,) = world.client("ec2").describe_launch_templates()["LaunchTemplates"]
    assert (template["DefaultVersionNumber"], template["LatestVersionNumber"]) == (2, 2)


@pytest.fixture
def throttled(account: Account, served: tuple[str, Client], monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Clients as those of this project's scripts are, in an account that refuses every third call."""
    told = subprocess.run([ROOT / "scripts/with-environment", "dev", "env"], capture_output=True, text=True, check=True)
    settings = dict(line.split("=", 1) for line in told.stdout.splitlines() if "=" in line)
    for name in ("AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS"):
        monkeypatch.setenv(name, settings[name])
    for name, value in {"AWS_ENDPOINT_URL": served[0], **account.keys.root.environment}.items():
        monkeypatch.setenv(name, value)
    # The pauses between attempts are botocore's, and a test need not wait for them.
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.0)
    monkeypatch.setattr(owned_resources, "PAUSE", 0.1)
    account.throttling.every = 3
    yield functools.cache(functools.partial(boto3.client, region_name=constants.REGION))
    account.throttling.every = 0


@pytest.mark.usefixtures("client")  # the account is empty
def test_throttling_stops_neither_modules_nor_who_polls_nor_the_teardown(throttled: Client) -> None:
    once = boto3.client("iam", region_name=constants.REGION, config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ClientError, match="Throttling"):
        for _ in range(3):
            once.list_roles()
    world = make(throttled)
    world.apply()
    assert world.plan() == []

    template = world.results["launch_template"]["template"]["launch_template_id"]
    source = {"LaunchTemplateId": template, "Version": "1"}
    throttled("autoscaling").create_auto_scaling_group(
        **{"AutoScalingGroupName": NAME, "LaunchTemplate": source, "MinSize": 0, "MaxSize": 1},
        AvailabilityZones=[constants.ZONES[0]],
        Tags=[{"Key": key, "Value": value, "PropagateAtLaunch": False} for key, value in TAGS.items()],
    )
    watch = load("action", "refresh_progress").Watch(NAME, constants.REGION, None, None, "me")
    assert [watch.hosts(template, "1") for _ in range(6)] == [([], [])] * 6
    assert owned_resources.remove(throttled, Scope(TAGS)) == {}
