"""EC2 images: CreateImage makes a real image, the base image is Debian's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.responses.amis import AmisResponse
from moto.ec2.utils import random_ami_id

from localcloud import settings
from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam, addition, correction

if TYPE_CHECKING:
    from localcloud.account import Account
    from localcloud.hosts.reconciler import Reconciler

# An EBS-backed image's root volume goes with its instance.
ROOT = Difference(
    "says of each image that its root is a magnetic disk of 15 GB that stays",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-block-device-mapping.html",
    upstream=NOT_REPORTED,
)
UNIQUE = Difference(
    "makes several images of one name",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html",
    upstream=NOT_REPORTED,
)
SNAPSHOT_TAGS = Difference(
    "leaves out the tags of an image's snapshots",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html",
    upstream=NOT_REPORTED,
)
LISTED = Difference(
    "lists a disabled image unasked",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html",
    upstream=NOT_REPORTED,
)
FOREIGN = Seam("the base image is another account's, and lies among the images of this one")
WITH_SNAPSHOTS = Difference(
    "leaves the snapshots of an image that is deregistered with DeleteAssociatedSnapshots",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeregisterImage.html",
    upstream=NOT_REPORTED,
)
HOSTS = Seam("an image is made of a host, and hosts are made of it")
# Root volume of Debian's cloud images, GiB.
BASE_VOLUME_SIZE = 8


def register_base_image(reconciler: Reconciler, backend: Any, image: str) -> str:
    """Offer the host driver's `image` as Debian's public AMI; return the AMI id."""

    now = datetime.now(UTC).replace(tzinfo=None)
    ami = Ami(
        backend,
        random_ami_id(),
        name=settings.BASE_IMAGE_NAME.format(date=now.strftime("%Y%m%d"), serial="0001"),
        description="Debian 12 (local cloud)",
        owner_id=settings.BASE_IMAGE_OWNER,
        public=True,
        virtualization_type="hvm",
        architecture="x86_64",
        creation_date=now,
        hypervisor="xen",
        root_device_type="ebs",
        root_device_name=settings.ROOT_DEVICE,
        region_name=settings.ZONES[0],
        boot_mode="uefi-preferred",
    )
    backend.amis[ami.id] = ami
    reconciler.images[ami.id] = image
    return str(ami.id)


def apply(account: Account) -> None:
    """Correct CreateImage, DeregisterImage and what DescribeImages says of disks."""
    reconciler = account.reconciler

    def root_mapping(self: Any) -> list[dict[str, Any]]:
        volume = getattr(self, "root_volume", {"VolumeSize": BASE_VOLUME_SIZE, "VolumeType": "gp3", "Encrypted": False})
        ebs = volume | {"SnapshotId": self.ebs_snapshot.id, "DeleteOnTermination": True}
        return [{"DeviceName": self.root_device_name, "Ebs": ebs}]

    addition(Ami, "block_device_mappings", ROOT)(property(root_mapping))

    @correction(AmisResponse, "describe_images", HOSTS, LISTED)
    def describe_settled(original: Any, self: Any) -> Any:
        # An answer may take a moment on AWS, too.
        reconciler.settle()
        answer = original(self)
        if not self._get_bool_param("IncludeDisabled", False):
            answer.result["Images"] = [one for one in answer.result["Images"] if one.state != "disabled"]
        return answer

    @addition(AmisResponse, "create_image", HOSTS, UNIQUE, SNAPSHOT_TAGS)
    def create_image(self: Any) -> Any:
        # NoReboot is false by default, and the image is pending at first.
        backend = self.ec2_backend
        name = self._get_param("Name")
        instance = backend.get_instance(self._get_param("InstanceId"))
        reboot = not self._get_bool_param("NoReboot", False)
        specifications = self._parse_tag_specification()
        self.error_on_dryrun()
        twins = [one for one in backend.amis.values() if one.name == name and one.owner_id == backend.account_id]
        if twins:
            raise EC2ClientError("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {twins[0].id}")
        if instance.state not in {"running", "stopped"}:
            raise EC2ClientError("IncorrectState", f"Instance '{instance.id}' is not in state 'running' or 'stopped'.")
        source = backend.amis.get(instance.image_id)
        ami: Any = Ami(
            backend,
            random_ami_id(),
            instance=instance,
            name=name,
            description=self._get_param("Description", ""),
            state="pending",
            hypervisor="xen",
            root_device_type="ebs",
            root_device_name=instance.root_device_name,
            region_name=instance.availability_zone,
            boot_mode=source.boot_mode if source else "uefi-preferred",
            tags=specifications.get("image", {}),
        )
        root = instance.block_device_mapping.get(instance.root_device_name)
        if root is not None:
            volume = backend.volumes[root.volume_id]
            ami.root_volume = {"VolumeSize": volume.size, "VolumeType": volume.volume_type, "Encrypted": bool(volume.encrypted)}
            ami.ebs_snapshot.encrypted = bool(volume.encrypted)
        ami.ebs_snapshot.add_tags(specifications.get("snapshot", {}))
        backend.amis[ami.id] = ami
        reconciler.create_image(ami, instance, reboot)
        return ActionResult({"ImageId": ami.id})

    @correction(AmiBackend, "deregister_image", HOSTS, FOREIGN)
    def only_ones_own(original: Any, self: Any, ami_id: str) -> None:
        ami = self.amis.get(ami_id)
        if ami is not None and ami.owner_id != self.account_id:
            raise EC2ClientError("AuthFailure", f"Not authorized for image:{ami_id}")
        original(self, ami_id)
        reconciler.deregister(ami_id)

    @correction(AmisResponse, "deregister_image", WITH_SNAPSHOTS)
    def with_its_snapshots(original: Any, self: Any) -> Any:
        # Those go that no other image has.
        backend = self.ec2_backend
        ami = backend.amis.get(self._get_param("ImageId"))
        answer = original(self)
        if ami is None or not self._get_bool_param("DeleteAssociatedSnapshots", False):
            return answer
        identity = ami.ebs_snapshot.id
        shared = any(one.ebs_snapshot.id == identity for one in backend.amis.values())
        if not shared:
            backend.snapshots.pop(identity, None)
        result = {"SnapshotId": identity, "ReturnCode": "skipped" if shared else "success"}
        return ActionResult({"Return": True, "DeleteSnapshotResults": [result]})
