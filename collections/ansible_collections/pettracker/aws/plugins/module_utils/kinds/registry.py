"""Every kind, in the order of removal: what uses something goes before what is used."""

from __future__ import annotations

from ansible_collections.pettracker.aws.plugins.module_utils.kinds.bucket import Bucket
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.budget import Budget
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.identity_provider import IdentityProvider
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.instance_profile import InstanceProfile
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Kind
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.log_group import LogGroup
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.parameter import Parameter
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.policy import Policy
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.role import Role

KINDS: tuple[Kind, ...] = (
    InstanceProfile(),
    Role(),
    Policy(),
    IdentityProvider(),
    LogGroup(),
    Parameter(),
    Bucket(),
    # Last: it tells costs as long as there is something that costs.
    Budget(),
)
BY_NAME = {kind.name: kind for kind in KINDS}
