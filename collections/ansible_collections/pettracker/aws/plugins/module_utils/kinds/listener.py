"""Listeners of an application load balancer. https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Listener.html"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ..rollout.blue_green import TAG, forward, is_sticky, weights_of
from ..state import State, differences, tags_to_dict
from .elb import ELB, as_expected, attribute_changes, elb_arns, tags_of
from .fields import (
    FIXED,
    IDENTITY,
    META,
    STATUS,
    UNSET,
    Answer,
    Default,
    Foreign,
    Ignored,
    Marks,
    Nobodys,
    compared,
    each,
    snake,
)
from .finding import pages
from .kind import Answers, Client, Clients, Grant, Kind, Owned, Scope
from .load_balancer import LoadBalancer

ARNS = elb_arns("listener/app")
# What experiments and rollouts write on the rules that they make.
RULES_TAGS = ("Experiment", TAG)
RENAMED = "routing.http.request."
HEADERS = """
    access_control_allow_credentials access_control_allow_headers access_control_allow_methods access_control_allow_origin
    access_control_expose_headers access_control_max_age content_security_policy strict_transport_security
    x_content_type_options x_frame_options
"""
# Nothing is modified by default:
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-header-modification.html
DEFAULTS = {"routing.http.response.server.enabled": "true"} | {
    f"routing.http.response.{header}.header_value": "" for header in HEADERS.split()
}
LISTENERS: Marks = {
    **each(IDENTITY, "ListenerArn Port"),
    "LoadBalancerArn": FIXED,
    **compared(protocol="Protocol", tls_policy="SslPolicy"),
    "Certificates": {
        **compared(certificate="CertificateArn"),
        "IsDefault": Ignored("the one that is described here; DescribeListenerCertificates has all"),
    },
    "DefaultActions": {
        **compared(default_action="Type RedirectConfig FixedResponseConfig"),
        **compared(default_action="AuthenticateOidcConfig AuthenticateCognitoConfig JwtValidationConfig"),
        "TargetGroupArn": Ignored("is in ForwardConfig as well"),
        "Order": Ignored("actions are described in it"),
        "ForwardConfig": {
            "TargetGroups": {
                **compared(default_action="TargetGroupArn"),
                "Weight": Foreign("a blue/green rollout; that of a lone group says nothing"),
            },
            **compared(default_action="TargetGroupStickinessConfig"),
        },
    },
    "AlpnPolicy": Ignored("of network balancers only"),
    "MutualAuthentication": {
        **each(Default("off"), "Mode AdvertiseTrustStoreCaNames"),
        **each(UNSET, "TrustStoreArn IgnoreClientCertificateExpiry"),
        "TrustStoreAssociationStatus": STATUS,
    },
}
LISTENER_CERTIFICATES: Marks = {"Certificates": Nobodys("certificate of a listener", "CertificateArn"), "NextMarker": META}


class Listener(Kind):
    """One port of a balancer: who may decide where its requests go, rollouts and experiments apart."""

    name = "listener"
    service = "elbv2"
    free = "part of the load balancer"
    answers = (
        Answer("DescribeListeners", "Listeners", LISTENERS),
        Answer("DescribeListenerAttributes", "", compared(attributes="Attributes")),
        Answer("DescribeListenerCertificates", "", LISTENER_CERTIFICATES),
        Answer("DescribeRules", "", {"Rules": Nobodys("listener rule", "Priority"), "NextMarker": META}),
    )
    # AWS gives one action one of these.
    samples: ClassVar = {"DescribeListeners.DefaultActions.FixedResponseConfig": {}}
    made_by_apply = ("certificate",)
    look = (Grant(ELB, "DescribeListenerAttributes DescribeListenerCertificates DescribeListeners DescribeRules DescribeTags"),)
    change = (
        Grant(ELB, "CreateListener", LoadBalancer.change[0].resources),
        Grant(ELB, "AddTags CreateRule DeleteListener ModifyListener ModifyListenerAttributes RemoveTags", ARNS),
        Grant(ELB, "AddTags DeleteRule ModifyRule RemoveTags SetRulePriorities", elb_arns("listener-rule/app")),
    )
    removal = (Grant(ELB, "DeleteListener", ARNS),)
    delete = "delete_listener", "ListenerArn"

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        for balancer in LoadBalancer().owned(clients, scope):
            for listener in _described(clients("elbv2"), balancer.identity):
                name = f"{balancer.name}:{listener.get('Port', 'all')}"
                yield Owned(listener["ListenerArn"], name, belongs_to=f"load balancer {balancer.name}")

    def read(self, clients: Clients, balancer: str) -> dict[int, Answers]:
        """Returns AWS's answers about each listener of a balancer, by its port."""
        client = clients("elbv2")
        found: dict[int, Answers] = {}
        for listener in _described(client, balancer):
            by_arn = {"ListenerArn": listener["ListenerArn"]}
            certificates = list(pages(client, "describe_listener_certificates", "Certificates", **by_arn))
            found[listener["Port"]] = {
                "DescribeListeners": listener,
                "DescribeListenerAttributes": client.describe_listener_attributes(**by_arn),
                "DescribeListenerCertificates": {"Certificates": certificates},
                "DescribeRules": {"Rules": list(pages(client, "describe_rules", "Rules", **by_arn))},
            }
        return found

    def declared(self, clients: Clients, answers: Answers) -> frozenset[str]:
        """Returns the names of the parts that are known: its own certificate, and rules of experiments and rollouts."""
        rules = {rule["RuleArn"]: rule["Priority"] for rule in answers["DescribeRules"]["Rules"]}
        tags = {tagged["ResourceArn"]: tags_to_dict(tagged["Tags"]) for tagged in tags_of(clients("elbv2"), rules)}
        known = {priority for arn, priority in rules.items() if tags.get(arn, {}).keys() & set(RULES_TAGS)}
        certificates = answers["DescribeListenerCertificates"]["Certificates"]
        own = {one["CertificateArn"] for one in certificates if one.get("IsDefault")}
        return frozenset(known | own | {"default"})

    def state(self, answers: Answers) -> State:
        attributes = tags_to_dict(answers["DescribeListenerAttributes"]["Attributes"])
        return _state(answers["DescribeListeners"]) | {"attributes": attributes}

    def wanted(self, entry: Mapping[str, Any], answers: Answers) -> State:
        """Returns a listener in the form of CreateListener in the fields of `state`. Pure.

        One for which no default action is given keeps the weights that it has.
        """
        state = _state(entry)
        if answers:
            found = tags_to_dict(answers["DescribeListenerAttributes"]["Attributes"])
            state["attributes"] = as_expected(found, {}, DEFAULTS | _own_names(found))
            kept = _kept(entry, answers)
            if kept:
                state["default_action"] = default_action(kept)
        return state

    def create(self, client: Client, balancer: str, entry: Mapping[str, Any]) -> None:
        """Makes a listener."""
        client.create_listener(LoadBalancerArn=balancer, **{key: value for key, value in entry.items() if value})

    def correct(self, client: Client, entry: Mapping[str, Any], wanted: State, found: State, answers: Answers) -> None:
        """Makes the calls that correct a listener."""
        by_arn = {"ListenerArn": answers["DescribeListeners"]["ListenerArn"]}
        fields = set(differences(wanted, found))
        request = {key: value for key, value in entry.items() if value}
        if "default_action" in fields:
            request |= {"DefaultActions": entry.get("DefaultActions") or _kept(entry, answers)}
        if any(field.startswith("mutual_authentication.") for field in fields):
            request |= {"MutualAuthentication": {"Mode": "off"}}
        if fields - {"attributes"}:
            client.modify_listener(**by_arn, **request)
        if "attributes" in fields:
            changed = attribute_changes(wanted["attributes"], found["attributes"])
            client.modify_listener_attributes(**by_arn, Attributes=changed)


def default_action(actions: list[dict[str, Any]]) -> State:
    """Returns what a listener does with a request that no rule is for; others than the last action ask who it is from."""
    before = [action_state(action) for action in actions[:-1]]
    return action_state(actions[-1]) | ({"before": before} if before else {})


def action_state(action: Mapping[str, Any]) -> State:
    """Returns one action: target groups by their names, with their weights."""
    state: State = {"type": action["Type"]}
    state |= dict(action.get("RedirectConfig") or {}) | dict(action.get("FixedResponseConfig") or {})
    for member in ("AuthenticateOidcConfig", "AuthenticateCognitoConfig", "JwtValidationConfig"):
        if action.get(member):
            state[snake(member)] = action[member]
    config = action.get("ForwardConfig") or {}
    if action["Type"] == "forward" or config:
        groups = config.get("TargetGroups") or [{"TargetGroupArn": action["TargetGroupArn"]}]
        names = {group["TargetGroupArn"]: group.get("Weight") for group in groups}
        # The weight of a lone group says nothing.
        state["target_groups"] = {_name(arn): weight if len(names) > 1 else 1 for arn, weight in names.items()}
    if is_sticky([action]):
        state["sticky_seconds"] = config["TargetGroupStickinessConfig"].get("DurationSeconds")
    return state


def _state(listener: Mapping[str, Any]) -> State:
    state: State = {"protocol": listener["Protocol"]}
    certificate = next((item["CertificateArn"] for item in listener.get("Certificates") or []), None)
    if listener["Protocol"] == "HTTPS" or certificate or listener.get("SslPolicy"):
        state |= {"tls_policy": listener.get("SslPolicy"), "certificate": certificate}
    if listener.get("DefaultActions"):
        state["default_action"] = default_action(listener["DefaultActions"])
    return state


def _kept(entry: Mapping[str, Any], answers: Answers) -> list[dict[str, Any]]:
    """Returns the default actions with the weights that are there, where none are given and it forwards."""
    weights = weights_of(answers["DescribeListeners"].get("DefaultActions") or [])
    return forward(weights) if weights and not entry.get("DefaultActions") else []


def _own_names(found: Mapping[str, str]) -> dict[str, str]:
    """Returns the own names of headers that can be renamed, such as `X-Amzn-Tls-Version`; "" is one's own name as well."""
    renamed = [name for name in found if name.startswith(RENAMED)]
    own = {name: name.removeprefix(RENAMED).removesuffix(".header_name").replace("_", "-").title() for name in renamed}
    return {name: found[name] and header for name, header in own.items()}


def _described(client: Client, balancer: str) -> Iterator[dict[str, Any]]:
    return pages(client, "describe_listeners", "Listeners", LoadBalancerArn=balancer)


def _name(arn: str) -> str:
    """Returns the name of a target group; that of one which does not exist yet is its placeholder."""
    parts = arn.split("/")
    return parts[1] if len(parts) == 3 else arn
