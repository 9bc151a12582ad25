"""One environment as the roles describe it, planned and applied by the modules that keep it, without Ansible around."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.plugins.loading import FakeModule, load  # isort: skip - makes the project's module_utils importable

from ansible_collections.pettracker.aws.plugins.module_utils.plan.changes import (
    Change,
    Plan,
    as_json,
    changes_of,
    named_in,
    resources_of,
)

NAME = "pettracker-dev"
TAGS = {"Project": "pettracker", "Environment": "dev", "ManagedBy": "ansible"}
ACCOUNT = "123456789012"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "Hosts", "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
SESSION_MANAGER = "arn:aws:iam::aws:policy/AWSCloud9SSMInstanceProfile"


def tagged(name: str) -> dict[str, str]:
    return TAGS | {"Name": name}


def policy(sid: str, action: str, resource: str) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


def bucket(name: str, **more: Any) -> dict[str, Any]:
    statement = {
        **{"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*"},
        **{"Resource": [f"arn:aws:s3:::{name}"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    }
    settings = {"encryption": "AES256", "kms_key_id": None, "bucket_key": True, "versioning": True}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    rules = [
        {"id": "everything", "prefix": "", "expire_days": 0, "noncurrent_days": 30, "abort_upload_days": 7},
        {"id": "rollout", "prefix": "rollout", "noncurrent_days": 1},
    ]
    return {"name": name, "policy": document, "tags": tagged(name), "lifecycle_rules": rules} | settings | more


def alarm(name: str, **more: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        **{"description": "busy", "namespace": "AWS/EC2", "metric": "CPUUtilization", "statistic": "Average"},
        **{"comparison": "GreaterThanThreshold", "threshold": 80.0, "period": 300, "evaluation_periods": 2},
        **{"missing_data": "missing", "dimensions": {"AutoScalingGroupName": "service"}, "expression": ""},
    }
    return settings | {"name": name} | more


def rule(port: int, description: str, **peer: Any) -> dict[str, Any]:
    return {"proto": "tcp", "port": port, "cidrs": None, "group": None, "description": description} | peer


def group(name: str, ingress: list[dict[str, Any]], egress: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "description": f"{name} hosts", "ingress": ingress, "egress": egress, "tags": tagged(name)}


@dataclass
class World:
    """What the roles pass to the modules, in their order; tests change `parameters` as a commit would."""

    parameters: dict[str, dict[str, Any]]
    client: Callable[[str], Any]
    claimed: dict[str, set[str]] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self, check_mode: bool) -> list[Change]:
        """Run every module, and return what it says that it changes. All of it is in `report`, as `make plan` writes it."""
        changes: list[Change] = []
        resources = []
        vpc_id = "vpc-to-be-made"
        self.claimed.clear()
        for name, given in self.parameters.items():
            module = name.split(":")[0]
            parameters = given | ({"vpc_id": vpc_id} if "vpc_id" in given else {})
            fake = FakeModule(parameters, check_mode)
            fake.client = lambda service, _=None: self.client(service)  # type: ignore[method-assign]
            result = load("modules", module).run(fake)
            self.results[name] = result
            vpc_id = result.get("vpc_id", vpc_id)
            changes += changes_of(result, name)
            resources += resources_of(result)
            for kind, ids in named_in(result, "managed").items():
                self.claimed.setdefault(kind, set()).update(ids)
        self.report = as_json(Plan("dev", tuple(changes), tuple(resources)))
        return changes

    def plan(self) -> list[Change]:
        return self.run(check_mode=True)

    def apply(self) -> list[Change]:
        return self.run(check_mode=False)


def make(client: Callable[[str], Any]) -> World:
    """Return a small environment with each kind of thing that the roles make."""
    clients = {"cidrs": ["0.0.0.0/0"]}
    return World(
        {
            "vpc_network": {
                "name": NAME,
                "cidr": "10.0.0.0/16",
                "public_subnets": [
                    {"zone": "us-east-1a", "cidr": "10.0.1.0/24"},
                    {"zone": "us-east-1b", "cidr": "10.0.2.0/24"},
                ],
                "private_subnets": [
                    {"zone": "us-east-1a", "cidr": "10.0.11.0/24"},
                    {"zone": "us-east-1b", "cidr": "10.0.12.0/24"},
                ],
                "nat_zones": ["us-east-1a", "us-east-1b"],
                "tags": TAGS,
            },
            "security_groups:default": {
                "vpc_id": "",
                "groups": [group("default", [], []) | {"description": "default VPC security group"}],
            },
            "log_groups": {
                "groups": [
                    {"name": "/flow", "retention_days": 14, "kms_key_id": None, "tags": tagged("/flow")},
                    {"name": "/service", "retention_days": 14, "kms_key_id": None, "tags": tagged("/service")},
                ]
            },
            "iam_roles": {
                "roles": [
                    {
                        "name": "service",
                        "description": "Service hosts",
                        "trust": TRUST,
                        "managed_policies": [SESSION_MANAGER],
                        "inline_policies": {"service": policy("Read", "s3:GetObject", "arn:aws:s3:::models/*")},
                        "instance_profile": True,
                        "tags": tagged("service"),
                    }
                ]
            },
            "vpc_flow_log": {
                "vpc_id": "",
                "name": NAME,
                "log_group": "/flow",
                "role_arn": f"arn:aws:iam::{ACCOUNT}:role/service",
                "traffic_type": "ALL",
                "aggregation_seconds": 600,
                "tags": tagged(NAME),
            },
            "security_groups": {
                "vpc_id": "",
                "groups": [
                    group(
                        "balancer",
                        [rule(443, "HTTPS", **clients), rule(80, "HTTP", **clients)],
                        [rule(8080, "requests", group="service")],
                    ),
                    group("service", [rule(8080, "requests", group="balancer")], [rule(443, "AWS", **clients)]),
                ],
            },
            "s3_buckets": {"buckets": [bucket("models"), bucket("transfer", versioning=False)]},
            "cost_budget": {
                **{"account_id": ACCOUNT, "name": f"{NAME}-monthly", "limit": 150.0, "tags": tagged(f"{NAME}-monthly")},
                "cost_tags": {"Project": "pettracker", "Environment": "dev"},
                "notifications": [{"type": "actual", "percent": 80.0}, {"type": "forecasted", "percent": 80.0}],
                "subscribers": ["ann@example.com"],
            },
            "machine_images": {"tags": {"Project": "pettracker", "Environment": "dev"}},
            "metric_alarms": {"alarms": [alarm("cpu"), alarm("memory")], "topic_arns": [], "tags": TAGS},
            "target_group": {
                "name": "service",
                "vpc_id": "",
                "port": 8080,
                "health_check": {
                    **{"path": "/ready", "interval": 10, "timeout": 4},
                    **{"healthy_threshold": 2, "unhealthy_threshold": 2},
                },
                "attributes": {"deregistration_delay.timeout_seconds": 30},
                "tags": tagged("service"),
            },
            "launch_template": {
                "name": "service",
                "image_id": "ami-00000001",
                "instance_type": "c5.large",
                "iam_instance_profile": f"arn:aws:iam::{ACCOUNT}:instance-profile/service",
                "security_group_ids": ["sg-00000001"],
                "block_device_mappings": [
                    {"device_name": "/dev/xvda", "ebs": {"volume_type": "gp3", "volume_size": 50, "encrypted": True}}
                ],
                "metadata_options": {"http_tokens": "required", "http_put_response_hop_limit": 1},
                "monitoring": {"enabled": True},
                "user_data": base64.b64encode(b"#!/bin/sh").decode(),
                "tag_specifications": [{"resource_type": "instance", "tags": tagged("service")}],
                "tags": tagged("service"),
            },
        },
        client,
    )
