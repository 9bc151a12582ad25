"""After a run that failed, what is there and costs money is named with its price and the way to be rid of it."""

from typing import Any

import pytest
from click.testing import CliRunner

from delivery.cli import main
from delivery.cost.prices import read_prices, read_usage
from delivery.cost.running import found, text
from delivery.errors import DeliveryError
from tests.localcloud.conftest import Cloud, eventually

REGION = "us-east-1"
OWN = {"Project": "pettracker", "Environment": "staging"}
OTHERS = OWN | {"Environment": "production"}


def tags(own: dict[str, str], name: str = "") -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in (own | ({"Name": name} if name else {})).items()]


def tagged(kind: str, own: dict[str, str], name: str = "") -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": tags(own, name)}]


def make(cloud: Cloud, own: dict[str, str]) -> None:
    """What a bootstrap and half of a first apply leave, beside what costs nothing."""
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc", own))["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]
        for number, zone in enumerate("ab")
    ]
    first, second = (subnet["SubnetId"] for subnet in subnets)
    specification = tagged("elastic-ip", own, "way out")
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=specification)["AllocationId"]
    gateway = {"SubnetId": first, "TagSpecifications": tagged("natgateway", own, "way out")}
    ec2.create_nat_gateway(AllocationId=address, **gateway)
    gone = ec2.create_nat_gateway(ConnectivityType="private", **gateway | {"SubnetId": second})["NatGateway"]
    ec2.delete_nat_gateway(NatGatewayId=gone["NatGatewayId"])
    balancer = {"Name": own["Environment"], "Subnets": [first, second], "Tags": tags(own)}
    cloud.client("elbv2").create_load_balancer(Scheme="internet-facing", **balancer)
    mapping = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 16, "VolumeType": "gp3", "DeleteOnTermination": True}}
    hosts = []
    for kind in ("c5.large", "c5.large", "p3.2xlarge"):
        (host,) = ec2.run_instances(
            **{"ImageId": cloud.base_image, "MinCount": 1, "MaxCount": 1, "InstanceType": kind, "SubnetId": first},
            BlockDeviceMappings=[mapping],
            TagSpecifications=[*tagged("instance", own), *tagged("volume", own)],
        )["Instances"]
        hosts.append(host["InstanceId"])
    # One that ends takes its volume with it, and so costs nothing.
    ec2.terminate_instances(InstanceIds=hosts[:1])
    attached = [{"Name": "attachment.instance-id", "Values": hosts[:1]}]
    eventually(lambda: not ec2.describe_volumes(Filters=attached)["Volumes"])


@pytest.fixture
def account(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The account, where programs find it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    for name, value in cloud.key.environment.items():
        monkeypatch.setenv(name, value)
    return cloud


def said(region: str = REGION) -> list[str]:
    return list(text("staging", found(REGION, OWN), region, read_prices(), read_usage("staging")))


def test_what_is_paid_for_by_the_hour_is_named_with_its_price_and_the_way_to_remove_it(account: Cloud) -> None:
    make(account, OTHERS)
    assert said() == []
    make(account, OWN)
    first, *lines, _, last = said()
    # The price of an hour (delivery/cost/prices.yml) times 730: 0.045, 0.005, 0.0225 with two addresses,
    # 0.085; 16 GB of gp3 at 0.08.
    costs = sorted(line.split()[0] for line in lines if "not counted" not in line)
    assert costs == sorted(["$32.85", "$3.65", "$23.73", "$62.05", "$1.28", "$1.28"])
    assert "about $124.84 a month" in first
    assert {"NAT gateway way out", "address way out", "load balancer staging"} <= {
        line.split("  ")[-1].partition(" (")[0] for line in lines
    }
    assert "no price known for p3.2xlarge" in lines[-1]
    assert last.strip() == "make destroy ENV=staging CONFIRM=staging"


def test_without_prices_of_a_region_the_things_are_named_all_the_same(account: Cloud) -> None:
    make(account, OWN)
    lines = said("eu-central-2")
    assert "about" not in lines[0]
    assert "  load balancer staging" in lines
    assert any("no prices known for the region eu-central-2" in line for line in lines)


@pytest.mark.parametrize("told", ["there are no AWS credentials", "these credentials belong to account 1"])
def test_whose_credentials_failed_hears_nothing_of_costs(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    def refuse(_environment: str) -> Any:
        raise DeliveryError(told)

    monkeypatch.setattr("delivery.environment.ask_inventory", refuse)
    done = CliRunner().invoke(main, ["running", "--env", "staging"])
    assert (done.exit_code, done.output) == (0, "")
