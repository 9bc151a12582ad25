"""What the reconciler asks of whatever runs hosts, and what answers where there are none."""

from typing import Protocol

from localcloud.hosts.containers import HostSpec


class HostDriver(Protocol):
    """What runs the hosts. Every method returns when the work is done and raises HostError when it failed."""

    def launch(self, spec: HostSpec) -> None:
        """Create and start a host."""

    def stop(self, instance_id: str) -> None:
        """Shut the host down and keep its disk."""

    def start(self, instance_id: str) -> None:
        """Boot a stopped host."""

    def reboot(self, instance_id: str) -> None:
        """Reboot a running host."""

    def terminate(self, instance_id: str) -> None:
        """Remove the host and its disk."""

    def commit(self, instance_id: str, image: str) -> None:
        """Make an image of the host's disk."""

    def console(self, instance_id: str) -> str:
        """Return what the host has written while it booted; empty when it is not there."""

    def remove_image(self, image: str) -> None:
        """Delete an image."""

    def remove_network(self, vpc_id: str) -> None:
        """Delete the network of a VPC that has no hosts any more."""


class NoHosts:
    """A driver without hosts: instances exist in the API only. For tests and for `up --api-only`."""

    def launch(self, spec: HostSpec) -> None:
        """Do nothing."""

    def stop(self, instance_id: str) -> None:
        """Do nothing."""

    def start(self, instance_id: str) -> None:
        """Do nothing."""

    def reboot(self, instance_id: str) -> None:
        """Do nothing."""

    def terminate(self, instance_id: str) -> None:
        """Do nothing."""

    def commit(self, instance_id: str, image: str) -> None:
        """Do nothing."""

    def console(self, instance_id: str) -> str:
        """Nothing was written."""
        return ""

    def remove_image(self, image: str) -> None:
        """Do nothing."""

    def remove_network(self, vpc_id: str) -> None:
        """Do nothing."""
