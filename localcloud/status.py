"""What runs where: read from the running cloud through its own API, as any AWS client would."""

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.environment import check_ready, read_key
from localcloud.errors import LocalCloudError
from localcloud.lock import MachineLock
from localcloud.settings import Settings


@dataclass(frozen=True)
class HostStatus:
    """One instance that is not terminated. `health` is its target health, empty if no target group has it."""

    instance_id: str
    role: str
    name: str
    zone: str
    address: str
    state: str
    health: str
    image: str


@dataclass(frozen=True)
class Status:
    """The running cloud. `uptime` is in seconds; `service_url` is empty while no balancer listens."""

    endpoint: str
    service_url: str
    uptime: int
    hosts: tuple[HostStatus, ...]

    def as_json(self) -> str:
        """Return the status as a JSON document."""
        return json.dumps(asdict(self), indent=2)


def client(settings: Settings, service: str) -> Any:
    """Return a boto3 client of the running cloud."""
    return boto3.client(
        service,
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        **read_key(settings).arguments,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=20),
    )


def read(settings: Settings) -> Status:
    """Ask the running cloud. Raises LocalCloudError when it does not run or does not answer."""
    check_ready(settings)
    if MachineLock(settings.lock_file).holder() is None:
        raise LocalCloudError(
            "The local cloud's process was killed, and the account in it is lost. Start afresh with make rehearse, or "
            "remove what is left with make rehearse-down."
        )
    try:
        ec2, elb = client(settings, "ec2"), client(settings, "elbv2")
        health = _target_health(elb)
        listeners = [
            listener
            for balancer in elb.describe_load_balancers()["LoadBalancers"]
            for listener in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        ]
        hosts = _hosts(ec2, health)
    except (BotoCoreError, ClientError) as error:
        raise LocalCloudError(f"The local cloud does not answer at {settings.endpoint}: {error}") from error
    since = json.loads(settings.ready_file.read_text())["since"]
    url = settings.service_url if any(one["Port"] == 443 for one in listeners) else ""
    return Status(settings.endpoint, url, int(time.time() - since), tuple(hosts))


def _target_health(elb: Any) -> dict[str, str]:
    return {
        description["Target"]["Id"]: description["TargetHealth"]["State"]
        for group in elb.describe_target_groups()["TargetGroups"]
        for description in elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    }


def _hosts(ec2: Any, health: dict[str, str]) -> list[HostStatus]:
    images = {one["ImageId"]: one.get("Name", "") for one in ec2.describe_images()["Images"]}
    hosts = []
    for page in ec2.get_paginator("describe_instances").paginate():
        for instance in (one for reservation in page["Reservations"] for one in reservation["Instances"]):
            if instance["State"]["Name"] == "terminated":
                continue
            tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
            hosts.append(
                HostStatus(
                    instance_id=instance["InstanceId"],
                    role=tags.get("Role", ""),
                    name=tags.get("Name", ""),
                    zone=instance["Placement"]["AvailabilityZone"],
                    address=instance.get("PrivateIpAddress", ""),
                    state=instance["State"]["Name"],
                    health=health.get(instance["InstanceId"], ""),
                    image=images.get(instance["ImageId"]) or instance["ImageId"],
                )
            )
    return sorted(hosts, key=lambda one: (one.role, one.zone, one.instance_id))


def find_host(status: Status, wanted: str) -> HostStatus:
    """Return the host with this instance id, name or address. Raises LocalCloudError naming the hosts there are."""
    matches = [one for one in status.hosts if wanted in {one.instance_id, one.name, one.address}]
    if len(matches) == 1:
        return matches[0]
    known = ", ".join(one.instance_id for one in status.hosts) or "none"
    if matches:
        raise LocalCloudError(f"{len(matches)} hosts are called {wanted}: give an instance id. There are: {known}.")
    raise LocalCloudError(f"There is no host {wanted}. There are: {known}.")


def table(status: Status) -> str:
    """Return the status for a person."""
    head = ("INSTANCE", "ROLE", "NAME", "ZONE", "ADDRESS", "STATE", "TARGET", "IMAGE")
    rows = [head]
    for one in status.hosts:
        rows.append((one.instance_id, one.role, one.name, one.zone, one.address, one.state, one.health or "-", one.image))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    minutes, seconds = divmod(status.uptime, 60)
    return "\n".join(
        [
            f"API       {status.endpoint}",
            f"Service   {status.service_url or 'no load balancer listens yet'}",
            f"Up for    {minutes} min {seconds} s",
            "",
            *(lines if status.hosts else ["No hosts yet."]),
        ]
    )
