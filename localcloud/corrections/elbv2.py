"""Elastic Load Balancing v2: true target health, deregistration delay, attributes of a balancer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeLoadBalancer, FakeTargetGroup

from localcloud.balancer.targets import TargetHealth
from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam, addition, correction

if TYPE_CHECKING:
    from localcloud.account import Account

ATTRIBUTES = Difference(
    "gives a new balancer values for few attributes",
    aws="https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html",
    upstream=NOT_REPORTED,
)
PROTECTION = Difference(
    "deletes balancers that are protected from it",
    aws="https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#deletion-protection",
    upstream=NOT_REPORTED,
)
# A target group is used by the balancers whose listeners and rules name it, with whatever weight.
USERS = Difference(
    "notes that a balancer uses a target group when a listener or a rule is made, and not that it is changed or gone",
    aws="https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroup.html",
    upstream="getmoto/moto#6452",
)
HEALTH = Seam("the balancer checks targets, drains those that leave, and says what it found; moto calls every target healthy")

# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
BALANCER_DEFAULTS = {
    "access_logs.s3.enabled": "false",
    "access_logs.s3.bucket": "",
    "access_logs.s3.prefix": "",
    "client_keep_alive.seconds": "3600",
    "connection_logs.s3.enabled": "false",
    "connection_logs.s3.bucket": "",
    "connection_logs.s3.prefix": "",
    "deletion_protection.enabled": "false",
    "health_check_logs.s3.enabled": "false",
    "health_check_logs.s3.bucket": "",
    "health_check_logs.s3.prefix": "",
    "idle_timeout.timeout_seconds": "60",
    "ipv6.deny_all_igw_traffic": "false",
    "load_balancing.cross_zone.enabled": "true",
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append",
    "routing.http2.enabled": "true",
    "waf.fail_open.enabled": "false",
    "zonal_shift.config.enabled": "false",
}


def note_use(state: Any) -> None:
    """Note in each target group which balancers forward to it."""
    users: dict[str, list[str]] = {arn: [] for arn in state.target_groups}
    for balancer in state.load_balancers.values():
        actions = [
            action for listener in balancer.listeners.values() for rule in listener.rules.values() for action in rule.actions
        ]
        named = {arn for action in actions for arn in state._get_target_group_arns_from(action_data=action.data)}
        for arn in named & users.keys():
            users[arn].append(balancer.arn)
    for arn, group in state.target_groups.items():
        group.load_balancer_arns = users[arn]


def apply(account: Account) -> None:
    """Correct balancers and target groups; deregistration delays go by the fleet's clock."""

    @correction(FakeLoadBalancer, "__init__", ATTRIBUTES)
    def have_all_attributes(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.attrs = dict(BALANCER_DEFAULTS)

    @correction(ELBv2Backend, "delete_load_balancer", PROTECTION, USERS)
    def heed_deletion_protection(original: Any, self: Any, arn: str) -> None:
        balancer = self.load_balancers.get(arn)
        if balancer is not None and balancer.attrs.get("deletion_protection.enabled") == "true":
            raise ELBClientError(
                "OperationNotPermitted", f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
            )
        original(self, arn)
        note_use(self)

    @correction(FakeTargetGroup, "__init__", HEALTH)
    def start_without_health(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.health = {}
        self.draining = {}

    @correction(FakeTargetGroup, "register", HEALTH)
    def await_health(original: Any, self: Any, targets: list[dict[str, Any]]) -> None:
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html: a target
        # is `initial` until it has passed a check.
        original(self, targets)
        for target in targets:
            self.health.setdefault(target["Id"], TargetHealth())
            self.draining.pop(target["Id"], None)

    @addition(FakeTargetGroup, "deregister", HEALTH)
    def drain(self: Any, targets: list[dict[str, Any]]) -> None:
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#deregistration-delay
        # and API_DeregisterTargets: "If the specified target does not exist, the action returns successfully".
        delay = float(self.attributes["deregistration_delay.timeout_seconds"])
        for target in targets:
            known = self.targets.pop(target["Id"], None)
            self.health.pop(target["Id"], None)
            if known is not None and self.load_balancer_arns:
                self.draining[target["Id"]] = {**known, "Deadline": account.fleet.clock() + delay}

    @addition(FakeTargetGroup, "deregister_terminated_instances", HEALTH)
    def leave_to_health_checks(self: Any, instance_ids: list[str]) -> None:
        # A terminated instance is a target until its health checks have failed: localcloud/balancer/health.py.
        pass

    def health_of(group: Any, target: dict[str, Any], ec2: Any) -> tuple[str, str | None, str | None]:
        if target["Id"] in group.draining:
            return "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
        if target["Id"] not in group.targets:
            return "unused", "Target.NotRegistered", "Target is not registered to the target group"
        instance = ec2.get_instance_by_id(target["Id"])
        if instance is not None and instance.state not in {"pending", "running"}:
            return "unused", "Target.InvalidState", f"Target is in the {instance.state} state"
        if not group.load_balancer_arns:
            text = "Target group is not configured to receive traffic from the load balancer"
            return "unused", "Target.NotInUse", text
        health = group.health[target["Id"]]
        return health.state, health.reason, health.description

    @addition(FakeTargetGroup, "health_for", HEALTH)
    def health_for(self: Any, target: dict[str, Any], ec2_backend: Any) -> Any:
        known = self.targets.get(target["Id"]) or self.draining.get(target["Id"]) or target
        port = known.get("Port", self.port)
        check_port = str(port) if self.health_check_port == "traffic-port" else self.health_check_port
        return FakeHealthStatus(target["Id"], port, check_port, *health_of(self, target, ec2_backend))

    for operation in ("modify_listener", "modify_rule", "delete_rule", "delete_listener"):

        @correction(ELBv2Backend, operation, USERS)
        def know_who_uses_target_groups(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return original(self, *args, **kwargs)
            finally:
                note_use(self)

    @correction(ELBv2Backend, "describe_target_health", HEALTH)
    def name_draining_targets_too(original: Any, self: Any, target_group_arn: str, targets: Any) -> Any:
        group = self.target_groups.get(target_group_arn)
        if group is not None and not targets:
            targets = [*group.targets.values(), *group.draining.values()]
            return [group.health_for(target, self.ec2_backend) for target in targets]
        return original(self, target_group_arn, targets)
