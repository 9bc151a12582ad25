"""Reads the API's balancers, listeners, rules and target groups into what HAProxy is configured from."""

import hashlib
import logging
import re
from pathlib import Path
from typing import Any

from localcloud import backends
from localcloud.balancer.haproxy import (
    CONNECT_TIMEOUT,
    FETCHES,
    Balancer,
    Condition,
    FixedResponse,
    Forward,
    Listener,
    Pool,
    Redirect,
    Rule,
    Target,
)
from localcloud.settings import Settings

logger = logging.getLogger(__name__)


def describe(settings: Settings) -> Balancer:
    """Return what HAProxy has to do now; certificates are written to files on the way."""
    ports = {443: settings.https_port, 80: settings.http_port}
    state = backends.elbv2()
    listeners: dict[int, Listener] = {}
    timeout = 60
    for balancer in state.load_balancers.values():
        timeout = int(balancer.attrs["idle_timeout.timeout_seconds"])
        for listener in balancer.listeners.values():
            port = int(listener.port)
            if port in ports and port not in listeners:
                listeners[port] = _listener(settings, listener, ports[port])
    return Balancer(
        admin_socket=settings.haproxy_dir / "admin.sock",
        listeners=tuple(listeners[port] for port in sorted(listeners)),
        pools=tuple(_pool(group) for group in state.target_groups.values() if group.load_balancer_arns),
        idle_timeout=timeout,
        connect_timeout=CONNECT_TIMEOUT,
        ports=ports,
    )


def pool_name(arn: str) -> str:
    """Return the name of a target group's pool: the last two parts of its ARN, which are unique."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", arn.split(":targetgroup/")[1])


def routable(group: Any) -> list[str]:
    """Return the ids of the targets that get requests: the healthy ones, or all that can be used while none is healthy.

    Health checks alone decide. A host that EC2 has just stopped goes on getting requests until its checks have failed: seen on
    AWS for 26 seconds, 19 of them after DescribeTargetHealth had called it unused.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html, "fail open".
    """
    healthy = [one for one in group.targets if group.health[one].state == "healthy"]
    return healthy or [one for one in group.targets if group.health[one].state != "unused"]


def _pool(group: Any) -> Pool:
    least = group.attributes["load_balancing.algorithm.type"] == "least_outstanding_requests"
    instances = {one: backends.ec2().get_instance_by_id(one) for one in sorted(routable(group))}
    targets = tuple(
        Target(one, instance.private_ip, int(group.targets[one]["Port"])) for one, instance in instances.items() if instance
    )
    return Pool(pool_name(group.arn), targets, "leastconn" if least else "roundrobin")


def _listener(settings: Settings, listener: Any, port: int) -> Listener:
    certificate = None
    if listener.protocol == "HTTPS":
        certificate = _certificate_file(settings.haproxy_dir / "certificates", listener.certificate)
    ordered = sorted(listener.rules.values(), key=lambda rule: float("inf") if rule.is_default else float(rule.priority))
    rules = []
    for rule in ordered:
        unknown = {one["Field"] for one in rule.conditions} - {*FETCHES, "http-header"}
        if unknown:
            logger.error("Rule %s is not served here: it has conditions on %s", rule.arn, ", ".join(sorted(unknown)))
            continue
        rules.append(Rule(tuple(_condition(one) for one in rule.conditions), _action(rule.actions[-1])))
    return Listener(int(listener.port), port, tuple(rules), certificate)


def _condition(condition: dict[str, Any]) -> Condition:
    details: dict[str, Any] = next((value for key, value in condition.items() if key.endswith("Config")), {})
    values = tuple(condition.get("Values") or details.get("Values", ()))
    return Condition(condition["Field"], values, details.get("HttpHeaderName", ""))


def _action(action: Any) -> Forward | Redirect | FixedResponse:
    data = action.data
    if action.type == "redirect":
        redirect = data["RedirectConfig"]
        return Redirect(
            protocol=redirect.get("Protocol", "#{protocol}"),
            host=redirect.get("Host", "#{host}"),
            port=redirect.get("Port", "#{port}"),
            path=redirect.get("Path", "/#{path}"),
            query=redirect.get("Query", "#{query}"),
            status=int(redirect["StatusCode"].removeprefix("HTTP_")),
        )
    if action.type == "fixed-response":
        answer = data["FixedResponseConfig"]
        return FixedResponse(int(answer["StatusCode"]), answer.get("ContentType", "text/plain"), answer.get("MessageBody", ""))
    config = data.get("ForwardConfig", {})
    groups = config.get("TargetGroups") or [{"TargetGroupArn": data["TargetGroupArn"]}]
    sticky = config.get("TargetGroupStickinessConfig", {})
    return Forward(
        tuple((pool_name(one["TargetGroupArn"]), int(one.get("Weight", 1))) for one in groups),
        int(sticky["DurationSeconds"]) if str(sticky.get("Enabled")).lower() == "true" else 0,
    )


def _certificate_file(directory: Path, arn: str) -> Path:
    """Write an imported certificate with its chain and key for HAProxy, named for its content; return the file."""
    bundle = backends.acm().get_certificate(arn)
    chain = [] if bundle.chain == bundle.cert else [bundle.chain]
    content = b"\n".join(part.strip() for part in (bundle.cert, *chain, bundle.key)) + b"\n"
    file = directory / f"{hashlib.sha256(content).hexdigest()}.pem"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_bytes(content)
    return file
