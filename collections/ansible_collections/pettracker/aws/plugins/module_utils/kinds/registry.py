"""Every kind, in the order of removal: what uses something goes before what is used."""

from __future__ import annotations

from ansible_collections.pettracker.aws.plugins.module_utils.kinds.alarm import Alarm
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Kind
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.launch_template import LaunchTemplate
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.log_group import LogGroup
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.scaling_group import ScalingGroup

KINDS: tuple[Kind, ...] = (ScalingGroup(), LaunchTemplate(), Alarm(), LogGroup())
BY_NAME = {kind.name: kind for kind in KINDS}
