"""EC2 images: what an owner can change of one that is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ec2.models.amis import AmiBackend
from moto.ec2.responses.amis import AmisResponse

from localcloud.corrections.patching import NOT_REPORTED, Difference, addition, correction

if TYPE_CHECKING:
    from localcloud.account import Account

PROTECTION = Difference(
    "does not know protection against deregistration",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageDeregistrationProtection.html",
    upstream=NOT_REPORTED,
)
DEPRECATION = Difference(
    "does not know the deprecation of an image",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableImageDeprecation.html",
    upstream=NOT_REPORTED,
)
INSTANCE_TYPES = Difference(
    "does not know the instance types of an image",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceImageInstanceTypeSpecification.html",
    upstream=NOT_REPORTED,
)
SHARED = Difference(
    "leaves a disabled image shared",
    aws="https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableImage.html",
    upstream=NOT_REPORTED,
)


def apply(_account: Account) -> None:
    """Keep what is said of an image after it was made."""

    def setting(action: str, member: str, difference: Difference, value: Any) -> None:
        """Let `action` set what DescribeImages says under `member` to `value` of the request."""

        def change(self: Any) -> Any:
            (image,) = self.ec2_backend.describe_images(ami_ids=[self._get_param("ImageId")])
            self.error_on_dryrun()
            setattr(image, member, value(self))
            return ActionResult({"Return": True})

        addition(AmisResponse, action, difference)(change)

    def protection(self: Any) -> str:
        return f"enabled-with{'' if self._get_bool_param('WithCooldown', False) else 'out'}-cooldown"

    def deprecation(self: Any) -> str:
        return f"{self._get_param('DeprecateAt'):%Y-%m-%dT%H:%M:%SZ}"

    def instance_types(self: Any) -> dict[str, list[dict[str, str]]] | None:
        given = self._get_param("InstanceTypeSpecification")
        return given and {member: [{"InstanceType": one} for one in patterns] for member, patterns in given.items()}

    protected, deprecated = "deregistration_protection", "deprecation_time"
    setting("enable_image_deregistration_protection", protected, PROTECTION, protection)
    setting("disable_image_deregistration_protection", protected, PROTECTION, lambda _: "disabled")
    setting("enable_image_deprecation", deprecated, DEPRECATION, deprecation)
    setting("disable_image_deprecation", deprecated, DEPRECATION, lambda _: None)
    specified = "instance_type_specification"
    setting("replace_image_instance_type_specification", specified, INSTANCE_TYPES, instance_types)

    @correction(AmiBackend, "disable_image", SHARED)
    def disable_image(original: Any, self: Any, ami_id: str) -> None:
        original(self, ami_id)
        self.amis[ami_id].launch_permissions = []
