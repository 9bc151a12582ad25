"""Every kind, in the order of removal: what uses something goes before what is used."""

from __future__ import annotations

from ansible_collections.pettracker.aws.plugins.module_utils.kinds.certificate import Certificate
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Kind
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.listener import Listener
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.load_balancer import LoadBalancer
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.log_group import LogGroup
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.target_group import TargetGroup

KINDS: tuple[Kind, ...] = (
    LoadBalancer(),
    Listener(),
    TargetGroup(),
    Certificate(),
    LogGroup(),
)
BY_NAME = {kind.name: kind for kind in KINDS}
