"""Network interfaces. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkInterface.html"""

from .ec2 import Ec2Kind, Resource, arns
from .kind import Grant


class NetworkInterface(Ec2Kind):
    """The project makes none: they come with hosts, balancers and gateways, or somebody has put one into the VPC."""

    name = "network interface"
    free = "comes with what it belongs to"
    describe, listing, key = "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"
    look = (Grant("ec2", "DescribeNetworkInterfaces"),)
    removal = (Grant("ec2", "DeleteNetworkInterface", arns("network-interface"), "own"),)
    delete = "delete_network_interface", "NetworkInterfaceId"

    def comes_with_another(self, resource: Resource) -> bool:
        # A service's own, such as a balancer's, which nobody else can remove.
        return bool(resource.get("RequesterManaged")) or resource.get("InterfaceType") == "nat_gateway"

    def belongs_to(self, resource: Resource) -> str:
        instance = resource.get("Attachment", {}).get("InstanceId")
        return f"instance {instance}" if instance else ""
