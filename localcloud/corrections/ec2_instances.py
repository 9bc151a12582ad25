"""EC2 instances: what a launch takes from its template, and states that follow real hosts."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses.general import General
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import Base64EncodedString

from localcloud.corrections import quotas
from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam, addition, correction
from localcloud.hosts.reconciler import set_state

if TYPE_CHECKING:
    from localcloud.account import Account
    from localcloud.consistency import Consistency
    from localcloud.hosts.reconciler import Reconciler

FROM_TEMPLATE = Difference(
    "takes type, key, user data and security groups from a launch template, and nothing else of what it holds",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html",
    upstream="getmoto/moto#9858",
)
UNKNOWN_IMAGE = Difference(
    "launches from images that do not exist",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html",
    upstream=NOT_REPORTED,
)
TOKENS = Difference(
    "keeps the client token of a launch, and launches once more",
    aws="https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html",
    upstream=NOT_REPORTED,
)
NEW_PROFILE = Difference(
    "knows a new instance profile at once",
    aws="https://github.com/hashicorp/terraform-provider-aws/issues/27516",
    upstream=NOT_REPORTED,
)
WRONG_STATE = Difference(
    "stops, starts and reboots instances in whatever state they are",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html",
    upstream=NOT_REPORTED,
)
HOSTS = Seam("an instance is a host, which boots, runs, breaks and ends in its own time")
# What moto writes where a request has no client token.
NO_TOKEN = "ABCDE"  # noqa: S105 - no secret


def merged_block_devices(*layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge block device mappings by device name: the image's, the template's, the request's; later ones win by field.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html
    """
    devices: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for mapping in layer:
            devices.setdefault(mapping["DeviceName"], {}).update(mapping.get("Ebs", {}))
    return [{"DeviceName": name, "Ebs": ebs} for name, ebs in devices.items()]


def apply(account: Account) -> None:
    """Correct launches, refuse those beyond the quota or with a new profile, and hand changes of state to the reconciler."""
    _correct_launches(account.reconciler, account.settings.vcpu_quota, account.consistency)
    _correct_states(account.reconciler)

    @addition(General, "get_console_output", HOSTS)
    def console_of_the_host(self: Any) -> ActionResult:
        # The last 64 KB: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html
        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        if self._get_bool_param("Latest") and INSTANCE_TYPES[instance.instance_type]["Hypervisor"] != "nitro":
            raise EC2ClientError(
                "UnsupportedOperation", "This instance type does not support retrieving the latest console logs."
            )
        said = account.reconciler.console(instance.id).encode()[-65536:].decode(errors="ignore")
        output = Base64EncodedString.from_raw_string(said)
        return ActionResult({"InstanceId": instance.id, "Timestamp": utcnow(), "Output": output})


def _correct_launches(reconciler: Reconciler, vcpu_quota: int, consistency: Consistency) -> None:
    @correction(InstanceBackend, "run_instances", HOSTS, FROM_TEMPLATE, UNKNOWN_IMAGE, TOKENS, NEW_PROFILE, quotas.LIMIT)
    def launch_as_the_template_says(original: Any, self: Any, image_id: str | None, *args: Any, **kwargs: Any) -> Any:
        token, parameters = kwargs.get("client_token"), repr((image_id, args, sorted(kwargs.items())))
        if earlier := _same_request(self, token, parameters):
            return earlier
        reference = kwargs.get("launch_template")
        template = self._get_template_from_args(reference).data if reference else {}
        image_id = image_id or template.get("ImageId")
        image = self.amis.get(image_id)
        if image is None:
            raise EC2ClientError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        if image.state != "available":
            raise EC2ClientError("InvalidAMIID.Unavailable", f"The image ID '{image_id}' is not available")
        kwargs["metadata_options"] = template.get("MetadataOptions", {}) | (kwargs.get("metadata_options") or {})
        if (template.get("Monitoring") or {}).get("Enabled") in (True, "true"):
            kwargs["monitoring_state"] = "enabled"
        interface = (template.get("NetworkInterfaces") or [{}])[0]
        if interface and not kwargs.get("nics"):
            kwargs["security_group_ids"] = kwargs.get("security_group_ids") or list(interface.get("Groups", []))
            kwargs["subnet_id"] = kwargs.get("subnet_id") or interface.get("SubnetId")
            if kwargs.get("associate_public_ip") is None:
                kwargs["associate_public_ip"] = interface.get("AssociatePublicIpAddress")
        kwargs["block_device_mappings"] = merged_block_devices(
            image.block_device_mappings, template.get("BlockDeviceMappings") or [], kwargs.get("block_device_mappings") or []
        )
        tags = copy.deepcopy(kwargs.get("tags") or {})
        for specification in template.get("TagSpecifications") or []:
            own = tags.setdefault(specification["ResourceType"], {})
            for tag in specification["Tags"]:
                own.setdefault(tag["Key"], tag["Value"])
        kwargs["tags"] = tags
        own_profile = {"Name": kwargs.get("iam_instance_profile_name"), "Arn": kwargs.get("iam_instance_profile_arn")}
        profile = own_profile if any(own_profile.values()) else template.get("IamInstanceProfile") or {}
        refuse_new_profile(profile, consistency)
        wanted_type = template.get("InstanceType") if kwargs.get("is_instance_type_default") else None
        spot = bool(kwargs.get("instance_market_options") or template.get("InstanceMarketOptions"))
        quotas.refuse_beyond(vcpu_quota, self, wanted_type or kwargs["instance_type"], args[0], spot)
        reservation = original(self, image_id, *args, **kwargs)
        for instance in reservation.instances:
            if profile and profile is not own_profile:
                self.associate_iam_instance_profile(instance.id, profile.get("Name"), profile.get("Arn"))
            reconciler.launched(instance)
        if token and token != NO_TOKEN:
            self.requests_by_token[token] = (parameters, reservation)
        return reservation


def refuse_new_profile(profile: dict[str, Any], consistency: Consistency) -> None:
    """Raise what EC2 answers to a launch with an instance profile that IAM has just made."""
    name, arn = profile.get("Name"), profile.get("Arn")
    if not consistency.is_new(("instance profile", name or (arn or "").rpartition("/")[2])):
        return
    # The texts as people met them: also in https://github.com/hashicorp/terraform-provider-aws/issues/29866.
    field, value, what = ("name", name, "name") if name else ("arn", arn, "ARN")
    message = f"Value ({value}) for parameter iamInstanceProfile.{field} is invalid. Invalid IAM Instance Profile {what}"
    raise EC2ClientError("InvalidParameterValue", message)


def _same_request(backend: Any, token: str | None, parameters: str) -> Any | None:
    """Return the reservation that an earlier request with this client token made, None for a new request.

    The same token and the same parameters give the first answer again, the same token and others are an error.
    """
    before, reservation = backend.__dict__.setdefault("requests_by_token", {}).get(token, (parameters, None))
    if before != parameters:
        message = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
        raise EC2ClientError("IdempotentParameterMismatch", message)
    return reservation


def _correct_states(reconciler: Reconciler) -> None:
    def instance_status(self: Any) -> dict[str, Any]:
        # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-system-instance-status-check.html
        if self.state != "running":
            return {"Status": "not-applicable"}
        impaired = getattr(self, "impaired", False)
        reachability = {"Name": "reachability", "Status": "failed" if impaired else "passed"}
        return {"Details": [reachability], "Status": "impaired" if impaired else "ok"}

    addition(Instance, "instance_status", HOSTS)(property(instance_status))

    @correction(InstanceResponse, "describe_instances", HOSTS)
    def describe_settled(original: Any, self: Any) -> Any:
        # An answer may take a moment on AWS, too.
        reconciler.settle()
        return original(self)

    def refuse(instance: Any, wanted: str) -> None:
        message = f"The instance '{instance.id}' is not in a state from which it can be {wanted}."
        raise EC2ClientError("IncorrectInstanceState", message)

    @addition(Instance, "start", HOSTS, WRONG_STATE)
    def start(self: Any) -> Any:
        previous = copy.copy(self._state)
        if self.state == "stopped":
            reconciler.start(self)
        elif self.state not in {"pending", "running"}:
            refuse(self, "started")
        return previous

    @addition(Instance, "stop", HOSTS, WRONG_STATE)
    def stop(self: Any) -> Any:
        previous = copy.copy(self._state)
        if self.state in {"pending", "running"}:
            reconciler.stop(self)
        elif self.state not in {"stopping", "stopped"}:
            refuse(self, "stopped")
        return previous

    @addition(Instance, "reboot", HOSTS, WRONG_STATE)
    def reboot(self: Any) -> None:
        if self.state != "running":
            refuse(self, "rebooted")
        reconciler.reboot(self)

    @correction(Instance, "terminate", HOSTS)
    def terminate(original: Any, self: Any) -> Any:
        # Terminating twice is no error and changes nothing, so that clean-up can be repeated.
        previous = copy.copy(self._state)
        if self.state in {"shutting-down", "terminated"}:
            return previous
        original(self)
        set_state(self, previous.name)
        reconciler.terminate(self)
        return previous
