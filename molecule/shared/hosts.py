"""Access to the scenario's host for Testinfra, by the podman connection: its Ansible connection is many times slower."""

import boto3
import testinfra
from testinfra.host import Host


def scenario_host() -> Host:
    """Return the one running instance that the create step has launched."""
    filters = [{"Name": "tag:Environment", "Values": ["molecule"]}, {"Name": "instance-state-name", "Values": ["running"]}]
    found = boto3.client("ec2").describe_instances(Filters=filters)["Reservations"]
    (instance,) = [instance for reservation in found for instance in reservation["Instances"]]
    return testinfra.get_host(f"podman://{instance['InstanceId']}")
