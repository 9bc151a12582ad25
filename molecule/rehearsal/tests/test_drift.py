"""What somebody changes in the account by hand is named, field by field, nothing else is, and one apply repairs all of it."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import fleet
import pytest
import rehearsal

PREFIX = "pettracker-local"
SERVICE = f"{PREFIX}-service"
ANN = [{"Key": "Owner", "Value": "ann"}]
Named = tuple[str, str]


def tcp(port: int, **peer: Any) -> dict[str, Any]:
    """Describe a rule of a security group."""
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}


class Hand:
    """A person with administrator's credentials: does one thing after the other, and yields what a report should call it."""

    def __init__(self) -> None:
        self.ec2, self.s3, self.iam = boto3.client("ec2"), boto3.client("s3"), boto3.client("iam")
        self.logs, self.watch = boto3.client("logs"), boto3.client("cloudwatch")
        self.elb, self.scaling = boto3.client("elbv2"), boto3.client("autoscaling")

    def one(self, operation: str, name: str) -> dict[str, Any]:
        """Describe what EC2 has under a name."""
        answer = getattr(self.ec2, operation)(Filters=[{"Name": "tag:Name", "Values": [name]}])
        (found,) = next(value for value in answer.values() if isinstance(value, list))
        return found

    def tag(self, identity: str) -> None:
        self.ec2.create_tags(Resources=[identity], Tags=ANN)

    def network(self) -> Iterator[Named]:
        vpc = self.one("describe_vpcs", PREFIX)["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
        yield f"VPC {PREFIX}", "dns_hostnames"
        self.tag(vpc)
        yield f"VPC {PREFIX}", "tags.Owner"
        subnet = self.one("describe_subnets", f"{PREFIX}-private-us-east-1a")["SubnetId"]
        self.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
        yield f"subnet {PREFIX}-private-us-east-1a", "public_addresses"
        gateway = self.one("describe_internet_gateways", PREFIX)["InternetGatewayId"]
        self.ec2.delete_tags(Resources=[gateway], Tags=[{"Key": "ManagedBy"}])
        yield f"internet gateway {PREFIX}", "tags.ManagedBy"
        public = self.one("describe_route_tables", f"{PREFIX}-public")["RouteTableId"]
        self.ec2.create_route(RouteTableId=public, DestinationCidrBlock="192.168.0.0/16", GatewayId=gateway)
        yield f"route table {PREFIX}-public", "routes.192.168.0.0/16"
        endpoint = self.ec2.describe_vpc_endpoints()["VpcEndpoints"][0]["VpcEndpointId"]
        self.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[public])
        yield f"VPC endpoint {PREFIX}-s3", "route_tables"
        acl = self.one("describe_network_acls", f"{PREFIX}-default")["NetworkAclId"]
        self.ec2.create_network_acl_entry(
            NetworkAclId=acl, RuleNumber=90, Egress=False, Protocol="-1", RuleAction="deny", CidrBlock="203.0.113.0/24"
        )
        yield f"network ACL {PREFIX}-default", "entries.ingress 90"
        flow_log = self.ec2.describe_flow_logs()["FlowLogs"][0]["FlowLogId"]
        self.tag(flow_log)
        yield f"flow log {PREFIX}", "tags.Owner"

    def firewall(self) -> Iterator[Named]:
        world = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        service, balancer = (self.one("describe_security_groups", name)["GroupId"] for name in (SERVICE, f"{PREFIX}-balancer"))
        self.ec2.authorize_security_group_ingress(GroupId=service, IpPermissions=[tcp(22, **world)])
        yield f"security group {SERVICE}", "ingress.tcp/22 from 0.0.0.0/0"
        self.ec2.revoke_security_group_ingress(GroupId=balancer, IpPermissions=[tcp(80, **world)])
        yield f"security group {PREFIX}-balancer", "ingress.tcp/80 from 0.0.0.0/0"
        self.tag(service)
        yield f"security group {SERVICE}", "tags.Owner"

    def data(self) -> Iterator[Named]:
        buckets = [bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]]
        models, transfer = (next(name for name in buckets if name.endswith(end)) for end in ("-models", "-transfer"))
        self.s3.put_bucket_versioning(Bucket=models, VersioningConfiguration={"Status": "Suspended"})
        yield f"bucket {models}", "versioning"
        self.s3.delete_public_access_block(Bucket=models)
        yield f"bucket {models}", "public_access_blocked"
        self.s3.delete_bucket_lifecycle(Bucket=transfer)
        yield from (
            (f"bucket {transfer}", f"lifecycle.everything.{key}")
            for key in ("enabled", "prefix", "expire_days", "abort_upload_days")
        )
        policy = json.loads(self.s3.get_bucket_policy(Bucket=transfer)["Policy"])
        leak = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{transfer}/*"}
        policy["Statement"].append({"Sid": "Leak", **leak})
        self.s3.put_bucket_policy(Bucket=transfer, Policy=json.dumps(policy))
        yield from ((f"bucket {transfer}", f"policy.Statement.Leak.{key}") for key in leak)
        encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
        self.s3.put_bucket_encryption(Bucket=transfer, ServerSideEncryptionConfiguration={"Rules": [encryption]})
        yield f"bucket {transfer}", "encryption"

    def permissions(self) -> Iterator[Named]:
        statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        document = {"Version": "2012-10-17", "Statement": [{"Sid": "All", **statement}]}
        self.iam.put_role_policy(RoleName=SERVICE, PolicyName="quick-fix", PolicyDocument=json.dumps(document))
        yield f"role {SERVICE}", "inline_policies.quick-fix.Version"
        yield from ((f"role {SERVICE}", f"inline_policies.quick-fix.Statement.All.{key}") for key in statement)
        self.iam.attach_role_policy(RoleName=SERVICE, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        yield f"role {SERVICE}", "managed_policies"
        self.iam.update_role(RoleName=SERVICE, Description="my hosts", MaxSessionDuration=43200)
        yield f"role {SERVICE}", "description"
        yield f"role {SERVICE}", "session_seconds"
        self.iam.tag_role(RoleName=f"{PREFIX}-builder", Tags=ANN)
        yield f"role {PREFIX}-builder", "tags.Owner"

    def watching(self) -> Iterator[Named]:
        self.logs.put_retention_policy(logGroupName="/pettracker/local/ml-server", retentionInDays=1)
        yield "log group /pettracker/local/ml-server", "retention_days"
        self.logs.delete_retention_policy(logGroupName="/pettracker/local/training")
        yield "log group /pettracker/local/training", "retention_days"
        self.watch.disable_alarm_actions(AlarmNames=[f"{PREFIX}-memory"])
        yield f"alarm {PREFIX}-memory", "actions_enabled"
        (cpu,) = self.watch.describe_alarms(AlarmNames=[f"{PREFIX}-cpu"])["MetricAlarms"]
        kept = (
            *("AlarmName", "AlarmDescription", "Namespace", "MetricName", "Statistic", "ComparisonOperator", "Dimensions"),
            *("Period", "EvaluationPeriods", "DatapointsToAlarm", "TreatMissingData"),
        )
        self.watch.put_metric_alarm(**{key: cpu[key] for key in kept if key in cpu}, Threshold=99.0)
        yield f"alarm {PREFIX}-cpu", "threshold"
        self.watch.tag_resource(ResourceARN=cpu["AlarmArn"], Tags=ANN)
        yield f"alarm {PREFIX}-cpu", "tags.Owner"

    def service(self) -> Iterator[Named]:
        (target,) = (arn for arn in fleet.group()["TargetGroupARNs"])
        self.elb.modify_target_group(TargetGroupArn=target, HealthCheckPath="/health")
        yield f"target group {SERVICE}", "health_check.path"
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "9"}
        self.elb.modify_target_group_attributes(TargetGroupArn=target, Attributes=[delay])
        yield f"target group {SERVICE}", "attributes.deregistration_delay.timeout_seconds"
        (balancer,) = self.elb.describe_load_balancers(Names=[SERVICE])["LoadBalancers"]
        arn = balancer["LoadBalancerArn"]
        invalid = {"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "false"}
        self.elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[invalid])
        yield f"load balancer {SERVICE}", "attributes.routing.http.drop_invalid_header_fields.enabled"
        self.elb.add_tags(ResourceArns=[arn], Tags=ANN)
        yield f"load balancer {SERVICE}", "tags.Owner"
        listeners = {one["Port"]: one for one in self.elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]}
        self.elb.modify_listener(ListenerArn=listeners[443]["ListenerArn"], SslPolicy="ELBSecurityPolicy-2016-08")
        yield f"listener {SERVICE}:443", "tls_policy"
        group = {"AutoScalingGroupName": SERVICE}
        self.scaling.update_auto_scaling_group(**group, MaxSize=20, HealthCheckGracePeriod=61)
        yield f"Auto Scaling group {SERVICE}", "max_size"
        yield f"Auto Scaling group {SERVICE}", "health_check_grace_period"
        tag = {"ResourceId": SERVICE, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": False, **ANN[0]}
        self.scaling.create_or_update_tags(Tags=[tag])
        yield f"Auto Scaling group {SERVICE}", "tags.Owner"
        (template,) = self.ec2.describe_launch_templates(LaunchTemplateNames=[SERVICE])["LaunchTemplates"]
        self.tag(template["LaunchTemplateId"])
        yield f"launch template {SERVICE}", "tags.Owner"


def drift() -> set[Named]:
    """Return what `make drift` finds: each field that differs, by resource."""
    done = subprocess.run(["scripts/plan", "local", "drift"], cwd=rehearsal.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2), done.stdout[-5000:] + done.stderr[-2000:]
    report = json.loads((rehearsal.ROOT / ".cache/plan/local/drift.json").read_text())
    assert report["complete"], report["problems"]
    assert (done.returncode == 2) == bool(report["changes"] or report["unmanaged"])
    assert report["unmanaged"] == {}
    assert {change["action"] for change in report["changes"]} <= {"update"}
    return {(f"{change['kind']} {change['name']}", item["path"]) for change in report["changes"] for item in change["fields"]}


def activities(scaling: Any, since: datetime) -> list[dict[str, Any]]:
    """Return what Auto Scaling has done with the group since then."""
    done = scaling.describe_scaling_activities(AutoScalingGroupName=fleet.GROUP)["Activities"]
    return [one for one in done if one["StartTime"] >= since]


@pytest.mark.timeout(600)
def test_each_change_by_hand_is_named_nothing_else_is_and_one_apply_repairs_all():
    hand, begin = Hand(), datetime.now(UTC).replace(microsecond=0)
    # Auto Scaling decides how many hosts there are, between the limits, and nobody calls that drift.
    hand.scaling.set_desired_capacity(AutoScalingGroupName=fleet.GROUP, DesiredCapacity=3)
    changed = {
        named
        for part in (hand.network, hand.firewall, hand.data, hand.permissions, hand.watching, hand.service)
        for named in part()
    }
    assert len(changed) >= 30
    assert drift() == changed
    applied = subprocess.run(
        ["ansible-playbook", "playbooks/site.yml"], cwd=rehearsal.ROOT, capture_output=True, text=True, check=False
    )
    assert applied.returncode == 0, applied.stdout[-5000:]
    assert drift() == set()
    # By now the group's own policy may have found that its hosts have little to do; nobody else may change the size.
    causes = [one["Cause"] for one in activities(hand.scaling, begin)]
    assert fleet.group()["DesiredCapacity"] == 3 or any("AlarmLow" in cause for cause in causes), causes
    hand.scaling.set_desired_capacity(AutoScalingGroupName=fleet.GROUP, DesiredCapacity=2)
    rehearsal.eventually(fleet.is_whole, bool, within=180)
