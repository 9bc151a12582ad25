"""What other people have beside the environment's own is left alone by every plan and apply."""

from collections.abc import Callable
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.kinds.fields import Default, Deviation
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.log_group import LogGroup
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.scaling_group_calls import put_back_request

from tests.plan.world import NAME, World

Client = Callable[[str], Any]


def test_an_interface_to_s3_is_not_taken_for_the_gateway(world: World, client: Client) -> None:
    world.apply()
    ec2, vpc_id = client("ec2"), world.results["vpc_network"]["vpc_id"]
    made = ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=vpc_id,
        ServiceName="com.amazonaws.us-east-1.s3",
        PolicyDocument='{"Version": "2012-10-17", "Statement": []}',
    )["VpcEndpoint"]["VpcEndpointId"]
    assert world.plan() == []
    assert world.apply() == []
    (left,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[made])["VpcEndpoints"]
    assert left["PolicyDocument"] == '{"Version": "2012-10-17", "Statement": []}'


def test_another_teams_flow_log_stays_and_is_shown(world: World, client: Client) -> None:
    world.apply()
    ec2, vpc_id = client("ec2"), world.results["vpc_network"]["vpc_id"]
    ours = ec2.describe_flow_logs()["FlowLogs"][0]["FlowLogId"]
    client("logs").create_log_group(logGroupName="/security")
    role = client("iam").get_role(RoleName="service")["Role"]["Arn"]
    (theirs,) = ec2.create_flow_logs(
        ResourceIds=[vpc_id], ResourceType="VPC", TrafficType="REJECT", LogGroupName="/security", DeliverLogsPermissionArn=role
    )["FlowLogIds"]
    assert world.plan() == []
    assert world.results["vpc_flow_log"]["nobodys"] == {"flow log": [f"{NAME}/{theirs}"]}
    ec2.delete_flow_logs(FlowLogIds=[ours])
    (change,) = world.apply()
    assert change.action == "create"
    assert theirs in {log["FlowLogId"] for log in ec2.describe_flow_logs()["FlowLogs"]}


def test_what_aws_says_for_ever_of_data_protection_is_no_change() -> None:
    group = {"logGroupName": "/service", "dataProtectionStatus": "DELETED"}
    assert LogGroup().deviations({"DescribeLogGroups": group}) == []
    assert len(LogGroup().deviations({"DescribeLogGroups": group | {"dataProtectionStatus": "ACTIVATED"}})) == 1


def pools(value: int) -> Deviation:
    path = "mixed_instances_policy.instances_distribution.spot_instance_pools"
    return Deviation(path, value, Default(2), "SpotInstancePools")


def test_pools_are_put_back_only_where_aws_takes_them() -> None:
    assert put_back_request({"LaunchTemplate": {"LaunchTemplateId": "lt-1"}}, [pools(3)]) == {
        "LaunchTemplate": {"LaunchTemplateId": "lt-1"}
    }
    for strategy, expected in (("price-capacity-optimized", None), ("lowest-price", 2)):
        source = {"MixedInstancesPolicy": {"InstancesDistribution": {"SpotAllocationStrategy": strategy}}}
        request = put_back_request(source, [pools(3)])
        assert request["MixedInstancesPolicy"]["InstancesDistribution"].get("SpotInstancePools") == expected
