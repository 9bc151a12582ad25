"""Every kind, in the order of removal: what uses something goes before what is used."""

from __future__ import annotations

from ansible_collections.pettracker.aws.plugins.module_utils.kinds.address import Address
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.alarm import Alarm
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.bucket import Bucket
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.budget import Budget
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.certificate import Certificate
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.flow_log import FlowLog
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.identity_provider import IdentityProvider
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.image import Image
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.instance import Instance
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.instance_profile import InstanceProfile
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.internet_gateway import InternetGateway
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Kind
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.launch_template import LaunchTemplate
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.listener import Listener
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.load_balancer import LoadBalancer
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.log_group import LogGroup
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.nat_gateway import NatGateway
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.network_acl import NetworkAcl
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.network_interface import NetworkInterface
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.parameter import Parameter
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.policy import Policy
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.role import Role
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.route_table import RouteTable
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.scaling_group import ScalingGroup
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.security_group import (
    SecurityGroup,
    SecurityGroupRules,
)
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.snapshot import Snapshot
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.subnet import Subnet
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.target_group import TargetGroup
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.volume import Volume
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.vpc import Vpc
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.vpc_endpoint import VpcEndpoint

KINDS: tuple[Kind, ...] = (
    ScalingGroup(),
    Instance(),
    LaunchTemplate(),
    LoadBalancer(),
    Listener(),
    TargetGroup(),
    Certificate(),
    Alarm(),
    # A snapshot stays as long as an image is made of it.
    Image(),
    Snapshot(),
    Volume(),
    VpcEndpoint(),
    FlowLog(),
    NatGateway(),
    Address(),
    NetworkInterface(),
    # The balancer's group and the hosts' refer to each other: no group can go before the rules of all have gone.
    SecurityGroupRules(),
    SecurityGroup(),
    RouteTable(),
    Subnet(),
    NetworkAcl(),
    InternetGateway(),
    Vpc(),
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
