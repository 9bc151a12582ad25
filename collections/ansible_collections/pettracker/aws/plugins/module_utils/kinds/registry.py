"""Every kind, in the order of removal: what uses something goes before what is used."""

from .address import Address
from .alarm import Alarm
from .bucket import Bucket
from .budget import Budget
from .certificate import Certificate
from .flow_log import FlowLog
from .identity_provider import IdentityProvider
from .image import Image
from .instance import Instance
from .instance_profile import InstanceProfile
from .internet_gateway import InternetGateway
from .kind import Kind
from .launch_template import LaunchTemplate
from .listener import Listener
from .load_balancer import LoadBalancer
from .log_group import LogGroup
from .nat_gateway import NatGateway
from .network_acl import NetworkAcl
from .network_interface import NetworkInterface
from .parameter import Parameter
from .policy import Policy
from .role import Role
from .route_table import RouteTable
from .scaling_group import ScalingGroup
from .security_group import SecurityGroup, SecurityGroupRules
from .snapshot import Snapshot
from .subnet import Subnet
from .target_group import TargetGroup
from .volume import Volume
from .vpc import Vpc
from .vpc_endpoint import VpcEndpoint

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
