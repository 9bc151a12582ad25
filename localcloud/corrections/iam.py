"""IAM: what it has just made, others do not know yet; and what a managed policy is still needed for."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from moto.iam.exceptions import DeleteConflictException, NotFoundException
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse

from localcloud.corrections.patching import NOT_REPORTED, Difference, correction

if TYPE_CHECKING:
    from localcloud.account import Account
    from localcloud.consistency import Consistency

# First detach it everywhere, and delete all versions but the default one. A boundary counts: "Deleting a permissions boundary"
# in the user guide.
NEEDED = Difference(
    "deletes managed policies that are attached, that bound roles or that have several versions",
    aws="https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeletePolicy.html",
    upstream=NOT_REPORTED,
)
# PolicyUsageFilter says in which way a policy is used, and both are meant where it is missing.
BOUNDS = Difference(
    "lists no roles that a policy bounds",
    aws="https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListEntitiesForPolicy.html",
    upstream=NOT_REPORTED,
)
NEWS = Difference(
    "knows a new policy at once where roles are to have it",
    aws="https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency",
    upstream=NOT_REPORTED,
)


def bounded_by(backend: Any, arn: str) -> list[Any]:
    """Return the roles whose permissions boundary is a policy."""
    return [role for role in backend.roles.values() if role.permissions_boundary_arn == arn]


def apply(account: Account) -> None:
    """Let others know late what is made; correct DeletePolicy and ListEntitiesForPolicy."""
    _lag_behind(account.consistency)

    @correction(IAMBackend, "delete_policy", NEEDED)
    def refuse_what_is_needed(original: Any, self: Any, policy_arn: str) -> None:
        policy = self.get_policy(policy_arn)
        holders = [*self.users.values(), *self.groups.values(), *self.roles.values()]
        if any(policy.arn in holder.managed_policies for holder in holders) or bounded_by(self, policy.arn):
            raise DeleteConflictException("Cannot delete a policy attached to entities.")
        if len(policy.versions) > 1:
            raise DeleteConflictException(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The "
                "default version is deleted with the policy."
            )
        original(self, policy_arn)

    @correction(IamResponse, "list_entities_for_policy", BOUNDS)
    def with_those_that_it_bounds(original: Any, self: Any) -> Any:
        answer = original(self)
        usage = self._get_param("PolicyUsageFilter")
        if usage == "PermissionsBoundary":
            answer.result.update(PolicyUsers=[], PolicyRoles=[], PolicyGroups=[])
        if usage != "PermissionsPolicy" and self._get_param("EntityFilter") in (None, "Role"):
            listed = answer.result["PolicyRoles"]
            listed += [one for one in bounded_by(self.backend, self._get_param("PolicyArn")) if one not in listed]
        return answer


def _lag_behind(consistency: Consistency) -> None:
    def refuse_new(arn: str | None) -> None:
        # https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachRolePolicy.html and API_CreateRole.html, NoSuchEntity
        if consistency.is_new(("policy", arn)):
            raise NotFoundException(f"Policy {arn} does not exist or is not attachable.")

    @correction(IAMBackend, "create_policy", NEWS)
    def create_policy(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
        policy = original(self, *args, **kwargs)
        consistency.made(("policy", policy.arn))
        return policy

    @correction(IAMBackend, "attach_role_policy", NEWS)
    def attach_role_policy(original: Any, self: Any, policy_arn: str, role_name: str) -> None:
        refuse_new(policy_arn)
        original(self, policy_arn, role_name)

    @correction(IAMBackend, "put_role_permissions_boundary", NEWS)
    def put_role_permissions_boundary(original: Any, self: Any, role_name: str, permissions_boundary: str) -> None:
        refuse_new(permissions_boundary)
        original(self, role_name, permissions_boundary)

    @correction(IAMBackend, "create_role", NEWS)
    def create_role(original: Any, self: Any, role_name: str, *args: Any, **more: Any) -> Any:
        given = inspect.signature(original).bind(self, role_name, *args, **more).arguments
        refuse_new(given["permissions_boundary"])
        role = original(self, role_name, *args, **more)
        consistency.made(("role", role_name))
        return role

    @correction(IAMBackend, "create_instance_profile", NEWS)
    def create_instance_profile(original: Any, self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        profile = original(self, name, *args, **kwargs)
        consistency.made(("instance profile", name))
        return profile
