"""The quotas of vCPUs of a new account: what the API refuses, and what the project's modules say about it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud import settings as constants
from localcloud.access.access_key import AccessKey
from localcloud.account import Account
from localcloud.hosts.driver import NoHosts
from localcloud.settings import Settings
from tests.plugins.loading import FakeModule, ModuleFailed, load

# Of a new account: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-spot-limits.html
NEW = 5
FLEET = {"what": "the fleet", "instance_type": "c5.large", "most": 5, "least": 2, "spot_percentage": 0, "on_demand_base": 2}
TRAINING = FLEET | {"what": "training", "instance_type": "c5.2xlarge", "most": 1, "least": 0, "spot_percentage": 100}
TRAINING |= {"on_demand_base": 0}


class Module(FakeModule):
    """A module that talks to the new account."""

    endpoint = ""
    key: AccessKey

    def client(self, service: str, _: Any = None) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=constants.REGION, **self.key.arguments)


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    account = Account(Settings(root=Path("/nonexistent"), api_port=0, vcpu_quota=NEW), NoHosts())
    account.telemetry.close()
    account.schedules.close()
    Module.endpoint = f"http://127.0.0.1:{account.open()}"
    Module.key = account.keys.root
    account.reset()  # of what other tests of this process have launched
    yield account.register_base_image("base")
    account.close()


def launch(image: str, instance_type: str, spot: bool = False) -> str:
    market: dict[str, Any] = {"InstanceMarketOptions": {"MarketType": "spot"}} if spot else {}
    parameters = {"ImageId": image, "InstanceType": instance_type, "MinCount": 1, "MaxCount": 1} | market
    instance: str = Module({}).client("ec2").run_instances(**parameters)["Instances"][0]["InstanceId"]
    return instance


def test_a_quota_counts_the_vcpus_that_run_on_its_market(image: str) -> None:
    running = [launch(image, "c5.large"), launch(image, "m5.large")]
    with pytest.raises(ClientError, match=r"\(VcpuLimitExceeded\).*current vCPU limit of 5 allows"):
        launch(image, "t3.large")
    running.append(launch(image, "c5.xlarge", spot=True))
    with pytest.raises(ClientError, match="MaxSpotInstanceCountExceeded"):
        launch(image, "c5.large", spot=True)
    Module({}).client("ec2").terminate_instances(InstanceIds=running)
    again = launch(image, "c5.xlarge")
    Module({}).client("ec2").terminate_instances(InstanceIds=[again])


def compared(*demands: dict[str, Any], refuse: bool = True) -> list[str]:
    module = Module({"demands": list(demands), "refuse": refuse})
    advice: list[str] = load("modules", "vcpu_quotas").run(module)["advice"]
    assert module.warnings == advice
    return advice


def test_a_quota_that_is_too_small_for_all_at_once_is_named_with_the_way_to_a_larger_one(image: str) -> None:
    builder = FLEET | {"what": "the builder", "most": 1, "least": 0}
    on_demand, spot = compared(FLEET, builder, TRAINING)
    assert (
        "'Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances' (L-1216C47A) is 5 vCPUs in us-east-1" in on_demand
    )
    assert "at once (the fleet: 5 x c5.large = 10; the builder: 1 x c5.large = 2)" in on_demand
    assert (
        "request-service-quota-increase --region us-east-1 --service-code ec2 --quota-code L-1216C47A --desired-value 12"
        in on_demand
    )
    assert "(L-34B43A08)" in spot
    assert "--desired-value 8" in spot
    assert compared(FLEET | {"most": 2}) == []


def test_a_fleet_that_is_half_spot_needs_both_quotas(image: str) -> None:
    on_demand, spot = compared(FLEET | {"most": 11, "on_demand_base": 1, "spot_percentage": 50})
    assert "the fleet: 6 x c5.large = 12" in on_demand
    assert "the fleet: 5 x c5.large = 10" in spot


def test_only_what_cannot_start_at_all_is_refused(image: str) -> None:
    large = FLEET | {"instance_type": "c5.xlarge"}
    with pytest.raises(ModuleFailed, match=r"smallest fleet, 8 vCPUs, can start\..*L-1216C47A"):
        compared(large)
    assert len(compared(large, refuse=False)) == 1


def test_a_quota_that_cannot_be_read_is_a_warning(image: str) -> None:
    (said,) = compared(FLEET | {"instance_type": "g5.xlarge"})
    assert "L-DB2E81BA of EC2 in us-east-1 could not be read (NoSuchResourceException)" in said
    assert compared(FLEET | {"instance_type": "mac2.metal", "most": 0}) == []


@pytest.mark.parametrize(("market", "code"), [("spot", "L-34B43A08"), ("on-demand", "L-1216C47A")])
def test_training_beyond_the_quota_is_not_told_to_wait(image: str, market: str, code: str) -> None:
    ec2 = Module({}).client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    names = ("subnet_ids", "on_demand_fallback", "root_device", "root_gigabytes", "maximum_hours")
    given = dict(zip(names, ([ec2.describe_subnets()["Subnets"][0]["SubnetId"]], False, "/dev/xvda", 32, 1.0), strict=True))
    given |= {"tags": {"Project": "pettracker", "Environment": "dev"}, "state": "present", "job": market, "market": market}
    given |= {"image_id": image, "instance_type": "c5.2xlarge", "user_data": "#cloud-config", "instance_profile": "training"}
    Module({}).client("iam").create_instance_profile(InstanceProfileName=f"training-{market}")
    given |= {"instance_profile": f"training-{market}"}
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    with pytest.raises(ModuleFailed, match=rf"quota of vCPUs does not allow a c5.2xlarge .*waiting does not change.*{code}"):
        load("modules", "training_instance").run(Module(given | {"security_group_id": groups[0]["GroupId"]}))
