"""Machine images. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Image.html"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar

from ..state import State
from .charges import Fields, Item, Place, snapshot_charge
from .ec2 import Ec2Kind, Resource, arns, regional_arns
from .fields import FIXED, IDENTITY, STATUS, TIME, UNSET, Answer, Foreign, Ignored, Marks, Nobodys, compared, each
from .kind import Answers, Client, Clients, Grant

DESCRIBED = Ignored("DescribeImages says it, too")
# One that is being made, or was not made, cannot be changed.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Image.html (imageState)
MADE = ("available", "disabled")


def snapshots_of(image: Resource) -> list[str]:
    """Returns the ids of the snapshots that hold an image's disks."""
    ebs = [mapping.get("Ebs", {}) for mapping in image.get("BlockDeviceMappings", [])]
    return sorted(one["SnapshotId"] for one in ebs if "SnapshotId" in one)


IMAGES: Marks = {
    **each(IDENTITY, "ImageId Name OwnerId ImageOwnerAlias ImageLocation SourceInstanceId SourceImageId SourceImageRegion"),
    "Description": Ignored("a text for people, which decides nothing"),
    **compared(enabled="State"),
    "Public": Ignored("whether the launch permissions name everybody"),
    "Tags": Foreign("the image build, which writes of what the image is made"),
    **each(UNSET, "DeprecationTime InstanceTypeSpecification"),
    "DeregistrationProtection": Foreign("who wants an image kept: no retention takes it"),
    "ImageWatermarks": Nobodys("watermark", "WatermarkKey"),
    "ImdsSupport": Ignored("can be set once and never taken back; launch templates say what hosts have"),
    "ImageAllowed": Foreign("who owns the account, of which Allowed AMIs is a setting in each Region"),
    **each(FIXED, "BlockDeviceMappings BootMode TpmSupport Architecture EnaSupport SriovNetSupport Hypervisor"),
    **each(FIXED, "VirtualizationType ImageType KernelId RamdiskId Platform PlatformDetails UsageOperation ProductCodes"),
    **each(FIXED, "RootDeviceName RootDeviceType"),
    **each(STATUS, "StateReason FreeTierEligible PublicSsmParameterName ScanResults"),
    **each(TIME, "CreationDate LastLaunchedTime"),
}
IMAGE_ATTRIBUTE: Marks = {
    "ImageId": IDENTITY,
    **compared(launch_permissions="LaunchPermissions"),
    "UefiData": FIXED,
    **each(DESCRIBED, "BlockDeviceMappings BootMode DeregistrationProtection Description ImdsSupport KernelId"),
    **each(DESCRIBED, "LastLaunchedTime ProductCodes RamdiskId SriovNetSupport TpmSupport"),
}


class Image(Ec2Kind):
    """One of an environment's: hosts can be started from it, in its account alone."""

    name = "image"
    members = "releases; the newest stay, and those that something refers to"
    describe, listing, key = "describe_images", "Images", "ImageId"
    place = ""
    # One that somebody has disabled is left out unless it is asked for.
    besides: ClassVar[Mapping[str, Any]] = {"Owners": ["self"], "IncludeDisabled": True}
    answers = (Answer("DescribeImages", "Images", IMAGES), Answer("DescribeImageAttribute", "", IMAGE_ATTRIBUTE))
    samples: ClassVar = {"DescribeImages.State": ("available", "disabled")}
    change = (
        Grant("ec2", "CreateImage", arns("*"), "own"),
        # The disks of a host, and the image that comes of them, carry nothing yet.
        Grant("ec2", "CreateImage", (*regional_arns("image", "snapshot"), *arns("volume"))),
        Grant(
            "ec2",
            "CreateTags DeregisterImage DisableImageDeprecation EnableImage ModifyImageAttribute "
            "ReplaceImageInstanceTypeSpecification",
            regional_arns("image"),
            "own",
        ),
    )
    removal = (Grant("ec2", "DeregisterImage DisableImageDeregistrationProtection", regional_arns("image"), "own"),)

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        yield snapshot_charge(f"{self.name} {name}", place)

    def since(self, resource: Resource) -> str:
        return str(resource["CreationDate"])

    def read(self, client: Client, resource: Resource) -> Answers:
        attributes = client.describe_image_attribute(ImageId=resource["ImageId"], Attribute="launchPermission")
        return {"DescribeImages": resource, "DescribeImageAttribute": attributes}

    def state(self, answers: Answers) -> State:
        given = answers["DescribeImageAttribute"].get("LaunchPermissions") or []
        return {
            "enabled": answers["DescribeImages"]["State"] != "disabled",
            "launch_permissions": sorted(str(who) for one in given for who in one.values()),
        }

    def wanted(self) -> State:
        """Returns the state of one from which its account alone starts hosts."""
        return {"enabled": True, "launch_permissions": []}

    def correct(self, client: Client, answers: Answers, fields: Collection[str]) -> None:
        """Makes the calls that correct these fields."""
        image = {"ImageId": answers["DescribeImages"]["ImageId"]}
        if "enabled" in fields:
            client.enable_image(**image)
        if "launch_permissions" in fields:
            permissions = answers["DescribeImageAttribute"]["LaunchPermissions"]
            client.modify_image_attribute(**image, LaunchPermission={"Remove": permissions})
        if "deprecation_time" in fields:
            client.disable_image_deprecation(**image)
        if "instance_type_specification" in fields:
            client.replace_image_instance_type_specification(**image)

    def remove(self, clients: Clients, identity: str) -> None:
        client = clients("ec2")
        (image,) = client.describe_images(ImageIds=[identity], IncludeDisabled=True)["Images"]
        if image.get("DeregistrationProtection", "disabled") != "disabled":
            client.disable_image_deregistration_protection(ImageId=identity)
        client.deregister_image(ImageId=identity)
