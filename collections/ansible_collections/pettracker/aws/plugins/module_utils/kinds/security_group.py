"""Security groups. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroup.html

A rule is known by what it lets through: `tcp/443 from 0.0.0.0/0`, `all to 10.0.0.0/8`, `tcp/8080 from service` (a group of the
same VPC, by its name). Its value is its description.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..state import State, tags_to_dict, tags_to_list
from .ec2 import PLACE, TAGGING, Ec2Kind, Resource, arns, correct_tags, tag_specifications
from .fields import IDENTITY, META, Answer, Compared, Foreign, Ignored, Marks, compared, each
from .finding import pages
from .kind import Answers, Client, Clients, Grant, Scope
from .security_group_rules import permission, rule_changes, single_rules

RULE = Ignored("compared where the group is described")
OF_GROUP = Ignored("follows from the group that is compared")
DIRECTIONS = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}
# What EC2 puts into the default group of a new VPC.
# https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html
NEW_DEFAULT_GROUP: dict[str, Any] = {
    "description": "default VPC security group",
    "ingress": {"all from default": ""},
    "egress": {"all to 0.0.0.0/0": ""},
    "tags": {},
}
# What EC2 puts into every other new group, as it describes it.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
NEW_RULES: dict[str, Any] = {
    "IpPermissions": [],
    "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
}


def rules(direction: str) -> Marks:
    """Returns the marks of the rules of one direction."""
    read = Compared(direction)
    of_group = each(OF_GROUP, "GroupName UserId VpcId VpcPeeringConnectionId PeeringStatus")
    return {
        **each(read, "IpProtocol FromPort ToPort IpRanges Ipv6Ranges PrefixListIds"),
        "UserIdGroupPairs": {**each(read, "Description GroupId"), **of_group},
    }


SECURITY_GROUPS: Marks = {
    **PLACE,
    **each(IDENTITY, "GroupId GroupName SecurityGroupArn"),
    **compared(description="Description"),
    **{member: rules(direction) for direction, member in DIRECTIONS.items()},
}
SECURITY_GROUP_RULES: Marks = {
    "SecurityGroupRules": {
        **each(IDENTITY, "SecurityGroupRuleId SecurityGroupRuleArn GroupId GroupOwnerId"),
        **each(RULE, "IsEgress IpProtocol FromPort ToPort Description CidrIpv4 CidrIpv6 PrefixListId ReferencedGroupInfo"),
        "Tags": Foreign("whoever has put them there; they decide nothing"),
    },
    "NextToken": META,
}


class SecurityGroup(Ec2Kind):
    """Known by its name in the VPC; rules that are not listed are removed."""

    name = "security group"
    free = "AWS charges for none"
    describe, listing, key = "describe_security_groups", "SecurityGroups", "GroupId"
    answers = (
        Answer("DescribeSecurityGroups", "SecurityGroups", SECURITY_GROUPS),
        Answer("DescribeSecurityGroupRules", "", SECURITY_GROUP_RULES),
    )
    change = (
        Grant("ec2", "CreateSecurityGroup", arns("security-group"), "making"),
        Grant("ec2", "CreateSecurityGroup", arns("vpc"), "own"),
        Grant(
            "ec2",
            "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress RevokeSecurityGroupEgress "
            "RevokeSecurityGroupIngress UpdateSecurityGroupRuleDescriptionsEgress "
            "UpdateSecurityGroupRuleDescriptionsIngress",
            arns("security-group"),
            "own",
        ),
        TAGGING,
    )
    removal = (Grant("ec2", "DeleteSecurityGroup", arns("security-group"), "own"),)
    delete = "delete_security_group", "GroupId"

    def comes_with_another(self, resource: Resource) -> bool:
        return bool(resource["GroupName"] == "default")

    def read(self, client: Client, vpc_id: str) -> dict[str, Answers]:
        """Returns AWS's answers about the groups of a VPC, by their names."""
        groups = self.listed(client, ("vpc-id", [vpc_id]))
        ids = [group["GroupId"] for group in groups]
        by_group: dict[str, list[Resource]] = {identity: [] for identity in ids}
        of_groups = [{"Name": "group-id", "Values": ids}]
        # Without a value, a filter is refused.
        for rule in pages(client, "describe_security_group_rules", "SecurityGroupRules", Filters=of_groups) if ids else ():
            by_group.setdefault(rule["GroupId"], []).append(rule)
        rules_of = {identity: {"SecurityGroupRules": found} for identity, found in by_group.items()}
        return {
            group["GroupName"]: {"DescribeSecurityGroups": group, "DescribeSecurityGroupRules": rules_of[group["GroupId"]]}
            for group in groups
        }

    def state(self, answers: Answers) -> State:
        return self.named(answers, {})

    def named(self, answers: Answers, names: Mapping[str, str]) -> State:
        """Returns the state, in which groups of the VPC are called by `names`, which are those of their ids. Pure."""
        group = answers["DescribeSecurityGroups"]
        texts = {
            direction: {rule: text for rule, text, _ in single_rules(group.get(member, []), direction, names)}
            for direction, member in DIRECTIONS.items()
        }
        return {"description": group["Description"], **texts, "tags": tags_to_dict(group.get("Tags", []))}

    def make(self, client: Client, vpc_id: str, name: str, wanted: State) -> Answers:
        """Makes a group with its tags, and returns what EC2 will say of it when it knows all of it.

        EC2 gives it a rule that lets everything out, which `correct` then removes.
        """
        answer = client.create_security_group(
            GroupName=name,
            Description=wanted["description"],
            VpcId=vpc_id,
            TagSpecifications=tag_specifications("security-group", wanted["tags"]),
        )
        made = {"GroupId": answer["GroupId"], "GroupName": name, "Description": wanted["description"]}
        tags = tags_to_list(wanted["tags"])
        return {"DescribeSecurityGroups": made | NEW_RULES | {"Tags": tags}}

    def correct(self, client: Client, answers: Answers, wanted: State, ids: Mapping[str, str]) -> None:
        """Makes the calls that correct a group: what is missing first, then what is too much. `ids` are those of names."""
        group = answers["DescribeSecurityGroups"]
        identity = group["GroupId"]
        names = {group_id: name for name, group_id in ids.items()}
        found = self.named(answers, names)
        for direction, member in DIRECTIONS.items():
            present = {rule: alone for rule, _, alone in single_rules(group[member], direction, names)}
            added, removed, described = rule_changes(wanted[direction], found[direction])
            as_wanted = {rule: permission(rule, wanted[direction][rule], ids) for rule in added + described}
            if added:
                allow = getattr(client, f"authorize_security_group_{direction}")
                allow(GroupId=identity, IpPermissions=[as_wanted[rule] for rule in added])
            if described:
                describe = getattr(client, f"update_security_group_rule_descriptions_{direction}")
                describe(GroupId=identity, IpPermissions=[as_wanted[rule] for rule in described])
            if removed:
                revoke = getattr(client, f"revoke_security_group_{direction}")
                revoke(GroupId=identity, IpPermissions=[present[rule] for rule in removed])
        correct_tags(client, identity, wanted["tags"], found["tags"])


class SecurityGroupRules(Ec2Kind):
    """The rules of a group: two groups refer to each other, so that none can go before the rules of all have gone."""

    name = "rules of a security group"
    free = "AWS charges for none"
    members = "the security group that they belong to"
    describe, listing, key = "describe_security_groups", "SecurityGroups", "GroupId"
    removal = (Grant("ec2", "RevokeSecurityGroupEgress RevokeSecurityGroupIngress", arns("security-group"), "own"),)

    def found(self, clients: Clients, scope: Scope) -> Iterator[Resource]:
        for group in super().found(clients, scope):
            if group["IpPermissions"] or group["IpPermissionsEgress"]:
                yield group

    def belongs_to(self, resource: Resource) -> str:
        return f"security group {resource['GroupName']}"

    def remove(self, clients: Clients, identity: str) -> None:
        client = clients("ec2")
        group = client.describe_security_groups(GroupIds=[identity])["SecurityGroups"][0]
        if group["IpPermissions"]:
            client.revoke_security_group_ingress(GroupId=identity, IpPermissions=group["IpPermissions"])
        if group["IpPermissionsEgress"]:
            client.revoke_security_group_egress(GroupId=identity, IpPermissions=group["IpPermissionsEgress"])
