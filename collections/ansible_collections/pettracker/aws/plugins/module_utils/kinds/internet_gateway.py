"""Internet gateways. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InternetGateway.html"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from ..state import State, tags_to_dict
from .ec2 import TAGGING, Names, Site, VpcPart, arns, by_name
from .fields import IDENTITY, STATUS, Answer, Marks, compared, each
from .kind import Answers, Clients, Grant

INTERNET_GATEWAYS: Marks = {
    **each(IDENTITY, "InternetGatewayId OwnerId"),
    **compared(tags="Tags"),
    "Attachments": {"State": STATUS, **compared(vpc="VpcId")},
}


class InternetGateway(VpcPart):
    """Attached to the VPC, and made for nothing else."""

    name = "internet gateway"
    free = "what leaves through it is the balancer's, as an assumption about use"
    tagged_as = "internet-gateway"
    describe, listing, key = "describe_internet_gateways", "InternetGateways", "InternetGatewayId"
    creation, waiter = ("create_internet_gateway", "InternetGateway"), "internet_gateway_exists"
    place = "attachment.vpc-id"
    interrupts: ClassVar[Mapping[str, str]] = {"vpc": "Nothing reaches the balancer until it is done."}
    answers = (Answer("DescribeInternetGateways", "InternetGateways", INTERNET_GATEWAYS),)
    change = (
        Grant("ec2", "CreateInternetGateway", arns("internet-gateway"), "making"),
        Grant("ec2", "AttachInternetGateway DetachInternetGateway", arns("internet-gateway", "vpc"), "own"),
        TAGGING,
    )
    removal = (
        Grant("ec2", "DeleteInternetGateway", arns("internet-gateway"), "own"),
        Grant("ec2", "DetachInternetGateway", arns("internet-gateway", "vpc"), "own"),
    )

    def remove(self, clients: Clients, identity: str) -> None:
        client = clients("ec2")
        gateway = client.describe_internet_gateways(InternetGatewayIds=[identity])["InternetGateways"][0]
        for attachment in gateway["Attachments"]:
            client.detach_internet_gateway(InternetGatewayId=identity, VpcId=attachment["VpcId"])
        client.delete_internet_gateway(InternetGatewayId=identity)

    def state(self, answers: Answers) -> State:
        gateway = answers["DescribeInternetGateways"]
        attached = [attachment["VpcId"] for attachment in gateway.get("Attachments", [])]
        return {"vpc": attached[0] if attached else None, "tags": tags_to_dict(gateway.get("Tags", []))}

    def named(self, state: State, names: Names) -> State:
        return state | {"vpc": state["vpc"] and by_name(names, state["vpc"])}

    def request(self, site: Site, name: str, wanted: State) -> dict[str, Any]:
        return {}

    def correct(self, site: Site, identity: str, wanted: State, fields: Collection[str], answers: Answers) -> None:
        if "vpc" in fields:
            elsewhere = self.state(answers)["vpc"] if answers else None
            # One of only the same name is somebody else's.
            if elsewhere and "tags" not in fields:
                site.call("detach_internet_gateway", InternetGatewayId=identity, VpcId=elsewhere)
            site.call("attach_internet_gateway", InternetGatewayId=identity, VpcId=site.vpc_id)
