"""Who a host is, for the metadata service: the instance behind an address, and its role's temporary credentials."""

import base64
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from localcloud import backends, settings
from localcloud.fleet.members import is_leaving
from localcloud.metadata.instance_data import InstanceView, timestamp
from localcloud.metadata.spot import interruptions

# An instance role's credentials; new ones are there at least five minutes before the old ones expire.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
CREDENTIALS_LIFE = timedelta(hours=6)
RENEWAL = timedelta(minutes=10)


def _instance_at(private_ip: str) -> Any | None:
    for instance in backends.ec2().all_instances():
        if instance.state not in {"shutting-down", "terminated"} and instance.private_ip == private_ip:
            return instance
    return None


def _profile(instance_id: str) -> Any | None:
    association = backends.ec2().iam_instance_profile_associations.get(instance_id)
    return association.iam_instance_profile if association else None


def _target_state(instance_id: str) -> str | None:
    """Return what Auto Scaling wants of a group's member.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html
    """
    for member in backends.autoscaling().describe_auto_scaling_instances([instance_id]):
        if is_leaving(member):
            return "Terminated"
        return "Standby" if member.lifecycle_state.endswith("Standby") else "InService"
    return None


def _spot(instance_id: str) -> dict[str, Any]:
    """Return what an instance is told of its interruption."""
    recommended, end = interruptions.recommended(instance_id), interruptions.end(instance_id)
    if recommended is None:
        return {}
    told: dict[str, Any] = {"rebalance_time": timestamp(recommended)}
    if end is not None:
        told["spot_action"] = {"action": "terminate", "time": timestamp(end)}
    return told


def find_instance(private_ip: str) -> InstanceView | None:
    """Return what the metadata service says to the host with this address; None for a stranger."""
    instance = _instance_at(private_ip)
    if instance is None:
        return None
    options = instance.metadata_options
    profile = _profile(instance.id)
    roles = profile.roles if profile else []
    ec2 = backends.ec2()
    subnet = ec2.get_subnet(instance.subnet_id)
    interface = instance.nics[0]
    shown = {tag["key"]: tag["value"] for tag in instance.get_tags() if not tag["key"].startswith("aws:")}
    return InstanceView(
        instance_id=instance.id,
        region=settings.REGION,
        zone=instance.availability_zone,
        account_id=settings.ACCOUNT_ID,
        image_id=instance.image_id,
        instance_type=instance.instance_type,
        private_ip=private_ip,
        mac=interface.mac_address,
        user_data=base64.b64decode(str(instance.user_data)) if instance.user_data else b"",
        tags=shown if options.instance_metadata_tags == "enabled" else None,
        role_name=roles[0].name if roles else None,
        instance_profile_arn=profile.arn if profile else None,
        http_tokens=options.http_tokens,
        http_endpoint=options.http_endpoint == "enabled",
        hop_limit=options.http_put_response_hop_limit,
        target_lifecycle_state=_target_state(instance.id),
        instance_profile_id=profile.id if profile else None,
        vpc_id=instance.vpc_id,
        vpc_cidr=ec2.get_vpc(instance.vpc_id).cidr_block,
        subnet_id=subnet.id,
        subnet_cidr=subnet.cidr_block,
        interface_id=interface.id,
        security_group_names=tuple(group.name for group in interface.group_set),
        security_group_ids=tuple(group.id for group in interface.group_set),
        launched=instance.launch_time.replace(tzinfo=UTC),
        spot_market=instance.lifecycle == "spot",
        **_spot(instance.id),
    )


class RoleCredentials:
    """Hands out each instance's role credentials: sessions of moto's STS, which the API knows by their keys."""

    def __init__(self) -> None:
        """No session exists before the first request for one."""
        self._sessions: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def __call__(self, view: InstanceView) -> dict[str, Any]:
        """Return AccessKeyId, SecretAccessKey, Token and Expiration of the instance's role."""
        now = datetime.now(UTC).replace(tzinfo=None)
        role = backends.iam().get_role(view.role_name).arn
        with self._lock:
            session = self._sessions.get((view.instance_id, role))
            if session is None or session.expiration - now < RENEWAL:
                session = backends.sts().assume_role(
                    region_name=settings.REGION,
                    role_session_name=view.instance_id,
                    role_arn=role,
                    policy=None,
                    duration=int(CREDENTIALS_LIFE.total_seconds()),
                    external_id=None,
                )
                # By this the API knows that a host asks, which may do no more than its role.
                session.instance_id = view.instance_id
                self._sessions[view.instance_id, role] = session
        return {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "Token": session.session_token,
            "Expiration": f"{session.expiration:%Y-%m-%dT%H:%M:%SZ}",
        }
