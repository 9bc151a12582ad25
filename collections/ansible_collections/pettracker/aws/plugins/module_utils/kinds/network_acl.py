"""Network ACLs. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkAcl.html"""

from collections.abc import Collection, Mapping
from typing import ClassVar

from ..propagation import NEW_ID, once_known
from ..state import State, tags_to_dict
from .ec2 import PLACE, TAGGING, Names, Resource, Site, VpcPart, arns, correct_tags
from .fields import FIXED, IDENTITY, Answer, Marks, compared, each
from .kind import Answers, Grant

WORLD = "0.0.0.0/0"
# An entry that lets all through.
EVERYTHING = f"allow all from or to {WORLD}"
# The entries that nobody can change: they refuse what no other has allowed.
LAST_ENTRY = 32767


def entries(acl: Resource) -> dict[str, str]:
    """Returns the entries of a network ACL, a text each, by direction and number, without the last ones."""
    return {
        f"{'egress' if entry['Egress'] else 'ingress'} {entry['RuleNumber']}": _entry(entry)
        for entry in acl["Entries"]
        if entry["RuleNumber"] < LAST_ENTRY
    }


def _entry(entry: Resource) -> str:
    protocol = "all" if entry["Protocol"] == "-1" else f"protocol {entry['Protocol']}"
    ports, icmp = entry.get("PortRange"), entry.get("IcmpTypeCode")
    range_ = f" ports {ports['From']}-{ports['To']}" if ports else ""
    kind = f" type {icmp.get('Type')} code {icmp.get('Code')}" if icmp else ""
    peers = " ".join(entry[key] for key in ("CidrBlock", "Ipv6CidrBlock") if entry.get(key))
    return f"{entry['RuleAction']} {protocol}{range_}{kind} from or to {peers}"


NETWORK_ACLS: Marks = {
    **PLACE,
    "NetworkAclId": IDENTITY,
    "IsDefault": FIXED,
    **compared(entries="Entries"),
    "Associations": {**each(IDENTITY, "NetworkAclAssociationId NetworkAclId"), **compared(subnets="SubnetId")},
}


class NetworkAcl(VpcPart):
    """The VPC's own, which AWS makes with it; the project makes no other, but somebody may have, with its tags."""

    name = "network ACL"
    free = "AWS charges for none"
    tagged_as = "network-acl"
    describe, listing, key = "describe_network_acls", "NetworkAcls", "NetworkAclId"
    interrupts: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("entries", "subnets"), "Until it is done, subnets may be cut off, or open to what was to be kept out."
    )
    answers = (Answer("DescribeNetworkAcls", "NetworkAcls", NETWORK_ACLS),)
    change = (
        Grant("ec2", "CreateNetworkAclEntry DeleteNetworkAclEntry ReplaceNetworkAclEntry", arns("network-acl"), "own"),
        Grant("ec2", "ReplaceNetworkAclAssociation", arns("network-acl", "subnet"), "own"),
        TAGGING,
    )
    removal = (Grant("ec2", "DeleteNetworkAcl", arns("network-acl"), "own"),)
    delete = "delete_network_acl", "NetworkAclId"

    def state(self, answers: Answers) -> State:
        acl = answers["DescribeNetworkAcls"]
        return {
            "entries": entries(acl),
            "subnets": sorted(association["SubnetId"] for association in acl.get("Associations", [])),
            "tags": tags_to_dict(acl.get("Tags", [])),
        }

    def named(self, state: State, names: Names) -> State:
        # A subnet of somebody else's in the VPC cannot do without it either.
        return state | {"subnets": sorted(names[subnet][1] for subnet in state["subnets"] if subnet in names)}

    def make(self, site: Site, name: str, wanted: State) -> str:
        # It has come with the VPC, and the subnets have come to it.
        def default() -> str:
            of_vpc = self.listed(site.ec2, ("vpc-id", [site.vpc_id]), ("default", ["true"]))
            if not of_vpc:
                # A filter by what EC2 does not know yet finds nothing, and is no error.
                raise LookupError(f"InvalidNetworkAclID.NotFound: EC2 shows no default network ACL of {site.vpc_id}.")
            return str(of_vpc[0]["NetworkAclId"])

        made = once_known(default, NEW_ID)
        correct_tags(site.ec2, made, wanted["tags"], {})
        return made

    def correct(self, site: Site, identity: str, wanted: State, fields: Collection[str], answers: Answers) -> None:
        if answers and "entries" in fields:
            _correct_entries(site, identity, wanted["entries"], self.state(answers)["entries"])
        if "subnets" in fields:
            served = {site.ids["subnet", name] for name in wanted["subnets"]}
            for acl in site.listed.get("network ACL", []):
                for association in acl["Associations"]:
                    if association["SubnetId"] in served and acl["NetworkAclId"] != identity:
                        known = association["NetworkAclAssociationId"]
                        site.call("replace_network_acl_association", AssociationId=known, NetworkAclId=identity)


def _correct_entries(site: Site, identity: str, wanted: dict[str, str], present: dict[str, str]) -> None:
    for key in sorted({*present, *wanted}):
        direction, number = key.split()
        rule = {"NetworkAclId": identity, "RuleNumber": int(number), "Egress": direction == "egress"}
        # The only entry that is wanted is the one that lets everything through.
        content = {"Protocol": "-1", "RuleAction": "allow", "CidrBlock": WORLD}
        if key not in wanted:
            site.ec2.delete_network_acl_entry(**rule)
        elif key not in present:
            site.ec2.create_network_acl_entry(**rule, **content)
        elif wanted[key] != present[key]:
            site.ec2.replace_network_acl_entry(**rule, **content)
