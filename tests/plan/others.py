"""Other people's resources in the same account, of kinds of which there are many."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import trustme

from tests.plan.world import ACCOUNT, NAME, TRUST, World

Client = Callable[[str], Any]
TAGS = {"Project": "accounting", "Environment": "production"}
PAIRS = [{"Key": key, "Value": value} for key, value in TAGS.items()]
KINDS = ("role", "log group", "alarm", "bucket", "target group", "security group", "certificate", "parameter", "budget")


def make_others(client: Client, number: int) -> None:
    """Make so many, as many of each kind, with tags of their own; each role with an instance profile besides."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    issued = trustme.CA().issue_cert("accounting.example")
    certificate = {"Certificate": issued.cert_chain_pems[0].bytes(), "PrivateKey": issued.private_key_pem.bytes()}
    for each in range(number):
        kind, name = KINDS[each % len(KINDS)], f"accounting-{each}"
        if kind == "role":
            iam = client("iam")
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), Tags=PAIRS)
            iam.create_instance_profile(InstanceProfileName=name, Tags=PAIRS)
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        elif kind == "log group":
            client("logs").create_log_group(logGroupName=f"/{name}", tags=TAGS)
        elif kind == "alarm":
            client("cloudwatch").put_metric_alarm(
                **{"AlarmName": name, "Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Statistic": "Average"},
                **{"Threshold": 80, "Period": 60, "EvaluationPeriods": 1, "Tags": PAIRS},
                ComparisonOperator="GreaterThanThreshold",
            )
        elif kind == "bucket":
            client("s3").create_bucket(Bucket=name)
            client("s3").put_bucket_tagging(Bucket=name, Tagging={"TagSet": PAIRS})
        elif kind == "target group":
            client("elbv2").create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc, Tags=PAIRS)
        elif kind == "security group":
            tagged = [{"ResourceType": "security-group", "Tags": PAIRS}]
            ec2.create_security_group(GroupName=name, Description="x", VpcId=vpc, TagSpecifications=tagged)
        elif kind == "certificate":
            client("acm").import_certificate(**certificate, Tags=PAIRS)
        elif kind == "parameter":
            client("ssm").put_parameter(Name=f"/{name}", Type="String", Value="1", Tags=PAIRS)
        else:
            limit = {"Amount": "100", "Unit": "USD"}
            budget = {"BudgetName": name, "BudgetLimit": limit, "TimeUnit": "MONTHLY", "BudgetType": "COST"}
            client("budgets").create_budget(AccountId=ACCOUNT, Budget=budget, ResourceTags=PAIRS)


class Counted:
    """Clients that count their calls by operation in `calls`."""

    def __init__(self, client: Client) -> None:
        self.calls: Counter[str] = Counter()
        self._client = client
        self._counted: set[str] = set()

    def __call__(self, service: str) -> Any:
        client = self._client(service)
        if service not in self._counted:
            self._counted.add(service)
            client.meta.events.register("before-call", self._count)
        return client

    def _count(self, model: Any, **_: Any) -> None:
        self.calls[model.name] += 1


def name_as_inventories_do(world: World) -> None:
    """Give the world's role a name that begins as all of an environment's."""
    name = f"{NAME}-service"
    world.parameters["iam_roles"]["roles"][0]["name"] = name
    world.parameters["vpc_flow_log"]["role_arn"] = f"arn:aws:iam::{ACCOUNT}:role/{name}"
