"""Access to the scenario's host for Testinfra, by the podman connection: its Ansible connection is many times slower."""

from pathlib import Path
from typing import Any

import boto3
import testinfra
import yaml
from testinfra.host import Host

_LAYOUT = Path(__file__).parents[2] / "inventories/common/group_vars/all/layout.yml"


def service_layout() -> dict[str, str]:
    """Return where the service is on its hosts, as the inventories say it, and its account as `name`."""
    variables: dict[str, Any] = yaml.safe_load(_LAYOUT.read_text())
    name = variables["service_name"]
    places = {key: place.replace("{{ service_name }}", name) for key, place in variables["service_layout"].items()}
    return places | {"name": name}


def scenario_host() -> Host:
    """Return the one running instance that the create step has launched."""
    filters = [{"Name": "tag:Environment", "Values": ["molecule"]}, {"Name": "instance-state-name", "Values": ["running"]}]
    found = boto3.client("ec2").describe_instances(Filters=filters)["Reservations"]
    (instance,) = [instance for reservation in found for instance in reservation["Instances"]]
    return testinfra.get_host(f"podman://{instance['InstanceId']}")
