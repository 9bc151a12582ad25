"""IAM: what it has just made, others do not know yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.iam.models import IAMBackend

from localcloud.corrections.patching import correction

if TYPE_CHECKING:
    from localcloud.consistency import Consistency


def apply(consistency: Consistency) -> None:
    """Note when roles and instance profiles are made."""

    @correction(IAMBackend, "create_role")
    def create_role(original: Any, self: Any, role_name: str, *args: Any, **kwargs: Any) -> Any:
        role = original(self, role_name, *args, **kwargs)
        consistency.made(("role", role_name))
        return role

    @correction(IAMBackend, "create_instance_profile")
    def create_instance_profile(original: Any, self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        profile = original(self, name, *args, **kwargs)
        consistency.made(("instance profile", name))
        return profile
