"""Names, descriptions, tags and sizes that AWS refuses; moto takes them all."""

import base64
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from localcloud import settings as constants
from localcloud.constraints import compiled, leaves, violations
from tests.localcloud.conftest import Cloud

SESSION = botocore.session.get_session()
SERVICES = ("acm", "autoscaling", "budgets", "cloudwatch", "ec2", "elbv2", "fis", "iam", "logs", "ssm", "sts")
GROUP = {"GroupName": "hosts", "Description": "Hosts"}
ALARM = {"AlarmName": "a", "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1}
BUDGET = {"BudgetName": "a", "TimeUnit": "MONTHLY", "BudgetType": "COST"}
ROLE = {"RoleName": "a", "AssumeRolePolicyDocument": "{}"}
RESERVED = [{"Key": "aws:mine", "Value": "x"}]


@pytest.mark.parametrize(
    ("service", "call", "parameters", "code"),
    [
        ("ec2", "create_security_group", GROUP | {"Description": "Debian's hosts"}, "InvalidParameterValue"),
        ("ec2", "create_security_group", GROUP | {"GroupName": "sg-hosts"}, "InvalidParameterValue"),
        ("ec2", "create_security_group", GROUP | {"Description": "x" * 256}, "InvalidParameterValue"),
        ("ec2", "create_launch_template", {"LaunchTemplateName": "my template"}, "InvalidLaunchTemplateName"),
        ("ec2", "create_image", {"InstanceId": "i-1", "Name": "image: 1"}, "InvalidAMIName.Malformed"),
        ("ec2", "create_tags", {"Resources": ["vpc-1"], "Tags": RESERVED}, "InvalidParameterValue"),
        ("ec2", "create_tags", {"Resources": ["vpc-1"], "Tags": [{"Key": "a", "Value": "x" * 257}]}, "InvalidParam"),
        ("iam", "create_role", ROLE | {"RoleName": "a b"}, "ValidationError"),
        ("iam", "create_role", ROLE | {"Description": "hosts, ≥ 2 of them"}, "ValidationError"),
        ("iam", "create_role", ROLE | {"Tags": RESERVED}, "InvalidParameterValue"),
        ("logs", "create_log_group", {"logGroupName": "/a b"}, "InvalidParameterException"),
        ("cloudwatch", "put_metric_alarm", ALARM | {"AlarmName": "a" * 256}, "ValidationError"),
        ("elbv2", "create_target_group", {"Name": "a" * 33}, "ValidationError"),
        ("elbv2", "create_load_balancer", {"Name": "internal-a"}, "ValidationError"),
        ("autoscaling", "delete_auto_scaling_group", {"AutoScalingGroupName": "a" * 256}, "ValidationError"),
        ("budgets", "create_budget", {"AccountId": "1" * 12, "Budget": BUDGET | {"BudgetName": "a:b"}}, "Validation"),
        ("ssm", "put_parameter", {"Name": "/a", "Value": "x", "Description": "x" * 1025}, "ValidationException"),
    ],
)
def test_what_aws_does_not_take_is_refused(
    cloud: Cloud, service: str, call: str, parameters: dict[str, Any], code: str
) -> None:
    if call == "create_launch_template":
        parameters = parameters | {"LaunchTemplateData": {}}
    with pytest.raises(ClientError) as refused:
        getattr(cloud.client(service), call)(**parameters)
    assert refused.value.response["Error"]["Code"].startswith(code), refused.value


def test_a_rule_is_described_in_ec2s_letters(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    own = {"GroupId": ec2.create_security_group(**GROUP, VpcId=vpc)["GroupId"]}
    described = "HTTPS, to AWS's own"

    def rule() -> list[dict[str, Any]]:
        peers = [{"CidrIp": "10.0.0.0/8", "Description": described}]
        return [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": peers}]

    with pytest.raises(ClientError, match="Invalid rule description"):
        ec2.authorize_security_group_ingress(**own, IpPermissions=rule())
    described = "HTTPS, to AWS"
    ec2.authorize_security_group_ingress(**own, IpPermissions=rule())
    described = "HTTPS → AWS"
    with pytest.raises(ClientError, match="Invalid rule description"):
        ec2.update_security_group_rule_descriptions_ingress(**own, IpPermissions=rule())


@pytest.mark.parametrize("size", [16384, 16385])
def test_user_data_has_room_for_sixteen_kilobytes(cloud: Cloud, size: int) -> None:
    # A launch template takes it encoded; so does RunInstances, for which boto3 encodes it.
    data = {"UserData": base64.b64encode(b"x" * size).decode()}
    ec2 = cloud.client("ec2")
    if size == 16384:
        ec2.create_launch_template(LaunchTemplateName="hosts", LaunchTemplateData=data)
        return
    with pytest.raises(ClientError, match="User data is limited to 16384 bytes"):
        ec2.create_launch_template(LaunchTemplateName="hosts", LaunchTemplateData=data)
    with pytest.raises(ClientError, match="User data is limited to 16384 bytes"):
        ec2.run_instances(ImageId=cloud.base_image, MinCount=1, MaxCount=1, UserData="x" * size)


def test_an_error_says_what_where_and_why(cloud: Cloud) -> None:
    with pytest.raises(ClientError) as refused:
        cloud.client("iam").create_role(**ROLE | {"RoleName": "a b", "Path": "no"})
    message = refused.value.response["Error"]["Message"]
    constraint = "failed to satisfy constraint: Member must satisfy regular expression pattern: "
    assert message.startswith(f"2 validation errors detected: Value 'no' at 'path' {constraint}")
    assert rf"Value 'a b' at 'roleName' {constraint}[\w+=,.@-]+" in message


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_of_a_model_is_understood(service: str) -> None:
    model = SESSION.get_service_model(service)
    patterns = {model.shape_for(name).metadata.get("pattern") for name in model.shape_names} - {None}
    for pattern in patterns:
        compiled(pattern)
    assert patterns or service in {"ec2", "elbv2"}


def test_letters_beyond_the_basic_plane_and_choices_are_understood() -> None:
    operation = SESSION.get_service_model("autoscaling").operation_model("CreateAutoScalingGroup")
    found = leaves(operation.input_shape, {"AutoScalingGroupName": "hosts \U0001f431", "MinSize": 1})
    assert [reason for leaf in found for reason in violations(leaf)] == []
    operation = SESSION.get_service_model("budgets").operation_model("CreateBudget")
    wrong = {"AccountId": constants.ACCOUNT_ID, "Budget": BUDGET | {"TimeUnit": "WEEKLY"}}
    (reason,) = (reason for leaf in leaves(operation.input_shape, wrong) for reason in violations(leaf))
    assert reason.startswith("Member must satisfy enum value set: [DAILY, MONTHLY,")
