"""What the metadata service knows about one instance, as the tree of folders and documents that it serves.

Categories follow "Instance metadata categories" in the EC2 user guide; one that an instance has not got is not listed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

# Versions that AWS still serves, as far as clients (cloud-init, SDKs) ask for them.
VERSIONS = ("1.0", "2009-04-04", "2016-09-02", "2018-09-24", "2019-10-01", "2021-03-23", "2021-07-15", "latest")

Leaf = str | bytes | Callable[[], str]
Tree = dict[str, "Leaf | Tree"]


@dataclass(frozen=True)
class InstanceView:
    """One instance as the API has it. None means that AWS would not list the category; `tags` None: not exposed."""

    instance_id: str
    region: str
    zone: str
    account_id: str
    image_id: str
    instance_type: str
    private_ip: str
    mac: str
    user_data: bytes = b""
    tags: dict[str, str] | None = None
    role_name: str | None = None
    instance_profile_arn: str | None = None
    instance_profile_id: str | None = None
    http_tokens: Literal["required", "optional"] = "required"
    http_endpoint: bool = True
    hop_limit: int = 1
    target_lifecycle_state: str | None = None
    spot_market: bool = False
    spot_action: dict[str, str] | None = None
    rebalance_time: str | None = None
    vpc_id: str | None = None
    vpc_cidr: str | None = None
    subnet_id: str | None = None
    subnet_cidr: str | None = None
    interface_id: str | None = None
    security_group_names: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    reservation_id: str | None = None
    launched: datetime | None = None

    @property
    def hostname(self) -> str:
        """Private DNS name, by EC2's IP-based naming."""
        domain = "ec2.internal" if self.region == "us-east-1" else f"{self.region}.compute.internal"
        return f"ip-{self.private_ip.replace('.', '-')}.{domain}"


def timestamp(moment: datetime) -> str:
    """Return a time as the metadata service writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def identity_document(view: InstanceView) -> str:
    """Return the instance identity document. There is no signature of it: nobody but AWS can make one."""
    document = {
        "accountId": view.account_id,
        "architecture": "x86_64",
        "availabilityZone": view.zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "imageId": view.image_id,
        "instanceId": view.instance_id,
        "instanceType": view.instance_type,
        "kernelId": None,
        "marketplaceProductCodes": None,
        "pendingTime": timestamp(view.launched) if view.launched else None,
        "privateIp": view.private_ip,
        "ramdiskId": None,
        "region": view.region,
        "version": "2017-09-30",
    }
    return json.dumps(document, indent=2)


def _without_none(tree: dict[str, Any]) -> Tree:
    """Return a tree without what is None, and without folders that are empty for that."""
    kept: Tree = {}
    for name, value in tree.items():
        content = _without_none(value) if isinstance(value, dict) else value
        if content is not None and content != {}:
            kept[name] = content
    return kept


def _role(view: InstanceView, credentials: Callable[[InstanceView], dict[str, Any]]) -> dict[str, Any]:
    """Return the `iam` folder of an instance with a role."""
    if not view.role_name:
        return {}

    def current() -> str:
        now = timestamp(datetime.now(UTC))
        return json.dumps({"Code": "Success", "LastUpdated": now, "Type": "AWS-HMAC"} | credentials(view), indent=2)

    info = {
        "Code": "Success",
        "LastUpdated": timestamp(view.launched or datetime.now(UTC)),
        "InstanceProfileArn": view.instance_profile_arn,
        "InstanceProfileId": view.instance_profile_id,
    }
    return {"info": json.dumps(info, indent=2), "security-credentials": {view.role_name: current}}


def _interface(view: InstanceView) -> dict[str, Any]:
    return {
        "device-number": "0",
        "interface-id": view.interface_id,
        "local-hostname": view.hostname,
        "local-ipv4s": view.private_ip,
        "mac": view.mac,
        "owner-id": view.account_id,
        "security-group-ids": "\n".join(view.security_group_ids) or None,
        "security-groups": "\n".join(view.security_group_names) or None,
        "subnet-id": view.subnet_id,
        "subnet-ipv4-cidr-block": view.subnet_cidr,
        "vpc-id": view.vpc_id,
        "vpc-ipv4-cidr-block": view.vpc_cidr,
        "vpc-ipv4-cidr-blocks": view.vpc_cidr,
    }


def _rebalance(view: InstanceView) -> str | None:
    return json.dumps({"noticeTime": view.rebalance_time}) if view.rebalance_time else None


def instance_tree(view: InstanceView, credentials: Callable[[InstanceView], dict[str, Any]]) -> Tree:
    """Return everything below a version: folders as dictionaries, documents as text, bytes or a function to call."""
    spot = view.spot_action
    stops = bool(spot and spot.get("action") in {"stop", "terminate"})
    tags = {name: value for name, value in (view.tags or {}).items() if "/" not in name}
    return _without_none(
        {
            "dynamic": {"instance-identity": {"document": identity_document(view)}},
            "meta-data": {
                "ami-id": view.image_id,
                "ami-launch-index": "0",
                "autoscaling": {"target-lifecycle-state": view.target_lifecycle_state},
                "events": {"recommendations": {"rebalance": _rebalance(view)}},
                "hostname": view.hostname,
                "iam": _role(view, credentials),
                "instance-action": "none",
                "instance-id": view.instance_id,
                "instance-life-cycle": "spot" if view.spot_market or spot or view.rebalance_time else "on-demand",
                "instance-type": view.instance_type,
                "local-hostname": view.hostname,
                "local-ipv4": view.private_ip,
                "mac": view.mac,
                "network": {"interfaces": {"macs": {view.mac: _interface(view)}}},
                "placement": {"availability-zone": view.zone, "region": view.region},
                "reservation-id": view.reservation_id,
                "security-groups": "\n".join(view.security_group_names) or None,
                "services": {"domain": "amazonaws.com", "partition": "aws"},
                "spot": {
                    "instance-action": json.dumps(spot) if spot else None,
                    "termination-time": spot.get("time") if spot and stops else None,
                },
                "tags": {"instance": tags},
            },
            "user-data": view.user_data or None,
        }
    )


def find(tree: Tree, path: str) -> bytes | None:
    """Return what is at a request's path: a document's bytes, a folder's list, or None where there is nothing.

    A folder is listed with or without a slash at the end; a document has none.
    """
    route, _, _ = path.partition("?")
    parts = [part for part in route.split("/") if part]
    if not parts:
        return "\n".join(VERSIONS).encode()
    version, *names = parts
    if version not in VERSIONS:
        return None
    node: Leaf | Tree = tree
    for name in names:
        if not isinstance(node, dict) or name not in node:
            return None
        node = node[name]
    if isinstance(node, dict):
        entries = (f"{name}/" if isinstance(child, dict) else name for name, child in sorted(node.items()))
        return "\n".join(entries).encode()
    if route.endswith("/"):
        return None
    content = node() if callable(node) else node
    return content if isinstance(content, bytes) else content.encode()
