"""What a person changes at the balancer is named with resource and field, nothing else is, and one apply repairs it."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.certificate import Certificate
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Kind, Scope
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.listener import Listener
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.load_balancer import LoadBalancer
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.target_group import TargetGroup
from ansible_collections.pettracker.aws.plugins.module_utils.plan.changes import changes_of

from localcloud.account import Account
from tests.plan.conftest import account, served
from tests.plugins.loading import FakeModule, defaults, load

__all__ = ["account", "served"]

Client = Callable[[str], Any]
Named = set[tuple[str, str]]
TAGS = {"Project": "pettracker", "Environment": "dev"}
REDIRECT = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
TLS = "ELBSecurityPolicy-TLS13-1-2-2021-06"
REFUSAL = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
BALANCER, GROUP, HTTP, HTTPS = ("load balancer service", "target group blue", "listener service:80", "listener service:443")


@functools.cache
def pems(name: str) -> dict[str, str]:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert(name, key_type=trustme.KeyType.ECDSA)
    return {
        "certificate": issued.cert_chain_pems[0].bytes().decode(),
        "private_key": issued.private_key_pem.bytes().decode(),
        "chain": authority.cert_pem.bytes().decode(),
    }


def imported(acm: Any, name: str, **target: str) -> str:
    texts = pems(name)
    arn: str = acm.import_certificate(
        Certificate=texts["certificate"], PrivateKey=texts["private_key"], CertificateChain=texts["chain"], **target
    )["CertificateArn"]
    return arn


@dataclass
class Service:
    """A balancer with its listeners, two target groups and its certificate, as the roles describe them."""

    client: Client
    nobodys: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.elb, self.acm, self.ec2 = self.client("elbv2"), self.client("acm"), self.client("ec2")
        subnets = self.ec2.describe_subnets()["Subnets"]
        self.vpc = subnets[0]["VpcId"]
        self.subnets = [subnet["SubnetId"] for subnet in subnets[:3]]
        group = functools.partial(self.ec2.create_security_group, Description="x", VpcId=self.vpc)
        self.security_groups = [group(GroupName=name)["GroupId"] for name in ("balancer", "mine")]
        self.run(check_mode=False)

    def run(self, check_mode: bool) -> Named:
        """Run the modules in the roles' order, and return what they change."""
        tags = TAGS | {"Name": "service"}
        secured = self.keep("imported_certificate", check_mode, name="service", **pems("localhost"), tags=TAGS)
        groups = {
            name: self.keep(
                "target_group",
                check_mode,
                name=name,
                vpc_id=self.vpc,
                port=8080,
                health_check={
                    **{"path": "/ready", "interval": 10, "timeout": 4},
                    **{"healthy_threshold": 2, "unhealthy_threshold": 2},
                },
                attributes={"deregistration_delay.timeout_seconds": 30},
                tags=TAGS | {"Name": name},
            )
            for name in ("blue", "green")
        }
        # As the role passes it: what forwards to the fleets keeps its weights.
        forwards = self.elb.describe_load_balancers()["LoadBalancers"] and "forward" in {
            action["Type"] for action in self.listener(443)["DefaultActions"]
        }
        forward = [{"Type": "forward", "TargetGroupArn": groups["blue"].get("target_group_arn")}]
        balancer = self.keep(
            "load_balancer",
            check_mode,
            name="service",
            subnets=self.subnets[:2],
            security_groups=self.security_groups[:1],
            listeners=[
                {"Protocol": "HTTP", "Port": 80, "DefaultActions": [REDIRECT]},
                {
                    **{"Protocol": "HTTPS", "Port": 443, "SslPolicy": TLS},
                    "Certificates": [{"CertificateArn": secured.get("certificate_arn")}],
                    "DefaultActions": [] if forwards else forward,
                },
            ],
            attributes={
                **{"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "releases"},
                "routing.http.drop_invalid_header_fields.enabled": "true",
            },
            tags=tags,
        )
        results = [secured, *groups.values(), balancer]
        self.nobodys = {}
        for result in results:
            for part, names in result.get("nobodys", {}).items():
                self.nobodys.setdefault(part, []).extend(names)
        changes = [change for result in results for change in changes_of(result, "task")]
        return {(change.resource, item.path) for change in changes for item in change.fields}

    def keep(self, module_name: str, check_mode: bool, **parameters: Any) -> dict[str, Any]:
        module = FakeModule(defaults(module_name) | parameters, check_mode)
        module.client = lambda service, _=None: self.client(service)  # type: ignore[method-assign]
        result: dict[str, Any] = load("modules", module_name).run(module)
        return result

    @property
    def balancer(self) -> dict[str, str]:
        return {"LoadBalancerArn": self.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]}

    def listener(self, port: int) -> dict[str, Any]:
        found = self.elb.describe_listeners(**self.balancer)["Listeners"]
        listener: dict[str, Any] = next(one for one in found if one["Port"] == port)
        return listener

    def arn(self, port: int) -> dict[str, str]:
        return {"ListenerArn": self.listener(port)["ListenerArn"]}

    def group(self, name: str = "blue") -> dict[str, str]:
        return {"TargetGroupArn": self.elb.describe_target_groups(Names=[name])["TargetGroups"][0]["TargetGroupArn"]}

    def certificate(self) -> dict[str, str]:
        (summary,) = self.acm.list_certificates(Includes={"keyTypes": ["EC_prime256v1"]})["CertificateSummaryList"]
        return {"CertificateArn": summary["CertificateArn"]}

    def set(self, **attributes: str) -> None:
        """Set attributes of the balancer, `__` for dots."""
        pairs = [{"Key": name.replace("__", "."), "Value": value} for name, value in attributes.items()]
        self.elb.modify_load_balancer_attributes(**self.balancer, Attributes=pairs)

    def set_of_group(self, **attributes: str) -> None:
        pairs = [{"Key": name.replace("__", "."), "Value": value} for name, value in attributes.items()]
        self.elb.modify_target_group_attributes(**self.group(), Attributes=pairs)

    def set_of_listener(self, port: int, name: str, value: str) -> None:
        self.elb.modify_listener_attributes(**self.arn(port), Attributes=[{"Key": name, "Value": value}])

    def act(self, port: int, *actions: dict[str, Any]) -> None:
        self.elb.modify_listener(**self.arn(port), DefaultActions=list(actions))

    def weigh(self, *, sticky: bool) -> None:
        groups = [{**self.group(name), "Weight": weight} for name, weight in (("blue", 90), ("green", 10))]
        config = {"TargetGroups": groups, "TargetGroupStickinessConfig": {"Enabled": sticky, "DurationSeconds": 60}}
        self.act(443, {"Type": "forward", "ForwardConfig": config})


@pytest.fixture(scope="module")
def service(account: Account, served: tuple[str, Client]) -> Iterator[Service]:
    account.reset()
    yield Service(served[1])


def attributes(resource: str, *names: str) -> Named:
    return {(resource, f"attributes.{name}") for name in names}


CASES: dict[str, tuple[Callable[[Service], Any], Named]] = {
    "addresses of version 6": (
        lambda its: its.elb.set_ip_address_type(**its.balancer, IpAddressType="dualstack"),
        {(BALANCER, "ip_address_type")},
    ),
    "capacity that is paid for": (
        lambda its: its.elb.modify_capacity_reservation(**its.balancer, MinimumLoadBalancerCapacity={"CapacityUnits": 100}),
        {(BALANCER, "minimum_load_balancer_capacity.capacity_units")},
    ),
    "another zone": (lambda its: its.elb.set_subnets(**its.balancer, Subnets=its.subnets), {(BALANCER, "subnets")}),
    "another security group": (
        lambda its: its.elb.set_security_groups(**its.balancer, SecurityGroups=its.security_groups),
        {(BALANCER, "security_groups")},
    ),
    "tags of the balancer": (
        lambda its: its.elb.add_tags(
            ResourceArns=[its.balancer["LoadBalancerArn"]],
            Tags=[{"Key": "Owner", "Value": "ann"}, {"Key": "Project", "Value": "other"}],
        ),
        {(BALANCER, "tags.Owner"), (BALANCER, "tags.Project")},
    ),
    "no access logs": (
        lambda its: its.set(access_logs__s3__enabled="false", access_logs__s3__prefix="mine"),
        attributes(BALANCER, "access_logs.s3.enabled", "access_logs.s3.prefix"),
    ),
    "logs of connections": (
        lambda its: its.set(connection_logs__s3__enabled="true", connection_logs__s3__bucket="mine"),
        attributes(BALANCER, "connection_logs.s3.enabled"),
    ),
    "logs of health checks": (
        lambda its: its.set(health_check_logs__s3__enabled="true", health_check_logs__s3__bucket="mine"),
        attributes(BALANCER, "health_check_logs.s3.enabled"),
    ),
    "protection": (
        lambda its: its.set(deletion_protection__enabled="true"),
        attributes(BALANCER, "deletion_protection.enabled"),
    ),
    "requests that are let through": (
        lambda its: its.set(
            routing__http__desync_mitigation_mode="monitor",
            routing__http__drop_invalid_header_fields__enabled="false",
            waf__fail_open__enabled="true",
        ),
        attributes(
            BALANCER,
            "routing.http.desync_mitigation_mode",
            "routing.http.drop_invalid_header_fields.enabled",
            "waf.fail_open.enabled",
        ),
    ),
    "who a client seems to be": (
        lambda its: its.set(
            routing__http__xff_header_processing__mode="preserve",
            routing__http__xff_client_port__enabled="true",
            routing__http__preserve_host_header__enabled="true",
        ),
        attributes(
            BALANCER,
            "routing.http.xff_header_processing.mode",
            "routing.http.xff_client_port.enabled",
            "routing.http.preserve_host_header.enabled",
        ),
    ),
    "time, version and zones": (
        lambda its: its.set(
            idle_timeout__timeout_seconds="4000",
            client_keep_alive__seconds="60",
            routing__http2__enabled="false",
            zonal_shift__config__enabled="true",
        ),
        attributes(
            BALANCER,
            "idle_timeout.timeout_seconds",
            "client_keep_alive.seconds",
            "routing.http2.enabled",
            "zonal_shift.config.enabled",
        ),
    ),
    "an old cipher": (
        lambda its: its.elb.modify_listener(**its.arn(443), SslPolicy="ELBSecurityPolicy-2016-08"),
        {(HTTPS, "tls_policy")},
    ),
    "certificates of clients": (
        lambda its: its.elb.modify_listener(**its.arn(443), MutualAuthentication={"Mode": "passthrough"}),
        {(HTTPS, "mutual_authentication.mode")},
    ),
    "a trust store": (
        lambda its: its.elb.modify_listener(
            **its.arn(443),
            MutualAuthentication={
                **{"Mode": "verify", "TrustStoreArn": "arn:mine"},
                **{"IgnoreClientCertificateExpiry": True, "AdvertiseTrustStoreCaNames": "on"},
            },
        ),
        {
            (HTTPS, f"mutual_authentication.{member}")
            for member in (*("mode", "trust_store_arn", "ignore_client_certificate_expiry"), "advertise_trust_store_ca_names")
        },
    ),
    "a header that opens the service to other pages": (
        lambda its: its.set_of_listener(443, "routing.http.response.access_control_allow_origin.header_value", "*"),
        attributes(HTTPS, "routing.http.response.access_control_allow_origin.header_value"),
    ),
    "a header with another name": (
        lambda its: its.set_of_listener(443, "routing.http.request.x_amzn_tls_version.header_name", "X-Mine"),
        attributes(HTTPS, "routing.http.request.x_amzn_tls_version.header_name"),
    ),
    "no server header": (
        lambda its: its.set_of_listener(80, "routing.http.response.server.enabled", "false"),
        attributes(HTTP, "routing.http.response.server.enabled"),
    ),
    "a refusal in place of a redirection": (
        lambda its: its.act(80, REFUSAL),
        {(HTTP, f"default_action.{member}") for member in ("type", "Protocol", "Port", "StatusCode")},
    ),
    "a refusal in place of the service": (
        lambda its: its.act(443, REFUSAL),
        {(HTTPS, f"default_action.{member}") for member in ("type", "StatusCode", "target_groups.blue")},
    ),
    "clients that stay": (lambda its: its.weigh(sticky=True), {(HTTPS, "default_action.sticky_seconds")}),
    "another health check": (
        lambda its: its.elb.modify_target_group(
            **its.group(), HealthCheckPath="/", HealthCheckIntervalSeconds=300, Matcher={"HttpCode": "200-499"}
        ),
        {(GROUP, f"health_check.{member}") for member in ("path", "interval", "codes")},
    ),
    "sticky sessions": (
        lambda its: its.set_of_group(
            stickiness__enabled="true",
            stickiness__type="app_cookie",
            stickiness__app_cookie__cookie_name="mine",
            stickiness__lb_cookie__duration_seconds="1",
        ),
        attributes(GROUP, "stickiness.enabled", "stickiness.type", "stickiness.lb_cookie.duration_seconds"),
    ),
    "who gets a request": (
        lambda its: its.set_of_group(
            load_balancing__algorithm__type="weighted_random",
            load_balancing__cross_zone__enabled="false",
            slow_start__duration_seconds="900",
            deregistration_delay__timeout_seconds="0",
        ),
        attributes(
            GROUP,
            *("load_balancing.algorithm.type", "load_balancing.cross_zone.enabled"),
            *("slow_start.duration_seconds", "deregistration_delay.timeout_seconds"),
        ),
    ),
    "what counts as healthy": (
        lambda its: its.set_of_group(
            target_group_health__dns_failover__minimum_healthy_targets__count="off",
            target_group_health__unhealthy_state_routing__minimum_healthy_targets__percentage="100",
        ),
        attributes(
            GROUP,
            "target_group_health.dns_failover.minimum_healthy_targets.count",
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
        ),
    ),
    "tags of a target group": (
        lambda its: its.elb.remove_tags(ResourceArns=[its.group()["TargetGroupArn"]], TagKeys=["Environment"]),
        {(GROUP, "tags.Environment")},
    ),
    "another certificate": (
        lambda its: imported(its.acm, "evil.example", **its.certificate()),
        {("certificate service", "sha256"), ("certificate service", "chain_sha256")},
    ),
    "tags of the certificate": (
        lambda its: its.acm.add_tags_to_certificate(**its.certificate(), Tags=[{"Key": "Owner", "Value": "ann"}]),
        {("certificate service", "tags.Owner")},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_change_by_hand_is_named_and_repaired(service: Service, case: str) -> None:
    assert service.run(check_mode=True) == set()
    change, expected = CASES[case]
    change(service)
    assert service.run(check_mode=True) == expected
    assert service.run(check_mode=False) == expected
    assert service.run(check_mode=True) == set()
    assert service.nobodys == {}


def test_weights_of_a_rollout_are_nobodys_business(service: Service) -> None:
    service.weigh(sticky=False)
    assert service.run(check_mode=True) == set()
    service.act(443, {"Type": "forward", **service.group()})


def test_clients_that_stay_are_let_go_and_the_weights_stay(service: Service) -> None:
    service.weigh(sticky=True)
    service.run(check_mode=False)
    (action,) = service.listener(443)["DefaultActions"]
    assert sorted(one["Weight"] for one in action["ForwardConfig"]["TargetGroups"]) == [10, 90]
    assert action["ForwardConfig"]["TargetGroupStickinessConfig"]["Enabled"] is False
    service.act(443, {"Type": "forward", **service.group()})


def test_rules_that_no_rollout_and_no_experiment_knows_are_told_and_left(service: Service) -> None:
    elb, listener = service.elb, service.arn(443)
    condition = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/predict"]}}]
    theirs = elb.create_rule(**listener, Priority=5, Conditions=condition, Actions=[REFUSAL])["Rules"][0]
    experiment = [{"Key": "Experiment", "Value": "candidate"}]
    known = elb.create_rule(**listener, Priority=10, Conditions=condition, Actions=[REFUSAL], Tags=experiment)["Rules"]
    secret = {"header": "X-Rollout", "value": "x", "forward": {service.group()["TargetGroupArn"]: 1}}
    secret |= {"listener_arn": listener["ListenerArn"], "tags": {"Rollout": "incoming"}}
    service.keep("listener_rule", False, **secret)
    assert service.run(check_mode=False) == set()
    assert service.nobodys == {"listener rule": ["service:443/5"]}
    assert {rule["Priority"] for rule in elb.describe_rules(**listener)["Rules"]} == {"1", "5", "10", "default"}
    service.keep("listener_rule", False, **secret, state="absent")
    for rule in (theirs, *known):
        elb.delete_rule(RuleArn=rule["RuleArn"])


def test_another_certificate_of_a_listener_is_told_and_left(service: Service) -> None:
    theirs = {"CertificateArn": imported(service.acm, "other.example")}
    service.elb.add_listener_certificates(**service.arn(443), Certificates=[theirs])
    service.elb.modify_listener(**service.arn(443), SslPolicy="ELBSecurityPolicy-2016-08")
    assert service.run(check_mode=False) == {(HTTPS, "tls_policy")}
    assert service.nobodys == {"certificate of a listener": [f"service:443/{theirs['CertificateArn']}"]}
    described = service.elb.describe_listener_certificates(**service.arn(443))["Certificates"]
    assert theirs["CertificateArn"] in {one["CertificateArn"] for one in described}
    service.elb.remove_listener_certificates(**service.arn(443), Certificates=[theirs])
    service.acm.delete_certificate(**theirs)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (LoadBalancer(), ["service"]),
        (Listener(), ["service:443", "service:80"]),
        (TargetGroup(), ["blue", "green"]),
        (Certificate(), ["localhost"]),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_what_carries_the_tags_is_found(service: Service, kind: Kind, names: list[str]) -> None:
    service.acm.request_certificate(DomainName="theirs.example", Tags=[{"Key": "Project", "Value": "pettracker"}])
    assert sorted(one.name for one in kind.owned(service.client, Scope(TAGS))) == names
    assert list(kind.owned(service.client, Scope(TAGS | {"Environment": "staging"}))) == []


def test_what_is_in_the_vpc_is_found_without_tags(service: Service) -> None:
    (balancer,) = LoadBalancer().owned(service.client, Scope({"Project": "other"}, service.vpc))
    groups = TargetGroup().owned(service.client, Scope({"Project": "other"}, service.vpc))
    assert (balancer.name, {group.name for group in groups}) == ("service", {"blue", "green"})
    assert balancer.since
