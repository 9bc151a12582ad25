"""HAProxy's configuration for what a load balancer of the API says: data classes and their rendering, no more."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

# Seconds; user guide, "Troubleshoot your Application Load Balancers", HTTP 504: "failed to establish a connection to the target
# before the connection timeout expired (10 seconds)".
CONNECT_TIMEOUT = 10


@dataclass(frozen=True)
class Target:
    """A host that may get requests."""

    name: str
    address: str
    port: int


@dataclass(frozen=True)
class Pool:
    """A target group. `algorithm` is HAProxy's word."""

    name: str
    targets: tuple[Target, ...]
    algorithm: str = "roundrobin"


@dataclass(frozen=True)
class Forward:
    """Send the request to one of the pools, by weight; for `sticky_seconds` a client's next ones go where its first went."""

    pools: tuple[tuple[str, int], ...]
    sticky_seconds: int = 0


@dataclass(frozen=True)
class Redirect:
    """Answer with a redirect; the parts may hold AWS's placeholders such as `#{host}`."""

    protocol: str
    host: str
    port: str
    path: str
    query: str
    status: int


@dataclass(frozen=True)
class FixedResponse:
    """Answer by the balancer itself."""

    status: int
    content_type: str
    body: str


@dataclass(frozen=True)
class Condition:
    """A test of the request: AWS's name of the field, the values (any of them matches), and the header's name."""

    name: str
    values: tuple[str, ...]
    header: str = ""


@dataclass(frozen=True)
class Rule:
    """An action and the conditions (all of them) under which it is taken."""

    conditions: tuple[Condition, ...]
    action: Forward | Redirect | FixedResponse


@dataclass(frozen=True)
class Listener:
    """A listener: the port that AWS clients know, the port of this machine, rules by priority, the default one last."""

    aws_port: int
    port: int
    rules: tuple[Rule, ...]
    certificate: Path | None = None


@dataclass(frozen=True)
class Balancer:
    """Everything that HAProxy does. Timeouts are in seconds; `ports` maps AWS ports to this machine's."""

    admin_socket: Path
    listeners: tuple[Listener, ...] = ()
    pools: tuple[Pool, ...] = ()
    idle_timeout: int = 60
    ports: dict[int, int] = field(default_factory=dict)
    connect_timeout: int = CONNECT_TIMEOUT


UNAVAILABLE = "<html><head><title>503 Service Temporarily Unavailable</title></head></html>"

# Cookies of target group stickiness, and what their attributes have in addition.
STICKY_COOKIES = {"AWSALBTG": "", "AWSALBTGCORS": "; SameSite=None; Secure"}

# Elastic Load Balancing user guide, "Listener rules": names of conditions and what they look at.
FETCHES = {
    "path-pattern": "path -m reg",
    "host-header": "req.hdr(host),field(1,:),lower -m reg",
    "http-request-method": "method",
    "source-ip": "src",
}


def quoted(text: str) -> str:
    """Quote for HAProxy's configuration: nothing inside single quotes is special except their end."""
    if any(ord(character) < 32 for character in text):
        raise ValueError(f"{text!r} has a control character, which no listener rule can have.")
    return "'" + text.replace("'", "'\\''") + "'"


def glob_to_regex(pattern: str) -> str:
    """Translate AWS's wildcards (`*` any characters, `?` one) into an anchored regular expression."""
    return "^" + re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") + "$"


def render_condition(condition: Condition) -> str:
    """Return an anonymous ACL. Raises KeyError for a condition that this balancer does not know."""
    values: tuple[str, ...] = condition.values
    if condition.name == "http-header":
        fetch = f"req.hdr({condition.header}) -m reg -i"
        values = tuple(glob_to_regex(value) for value in values)
    else:
        fetch = FETCHES[condition.name]
        if condition.name == "host-header":
            values = tuple(glob_to_regex(value.lower()) for value in values)
        elif condition.name == "path-pattern":
            values = tuple(glob_to_regex(value) for value in values)
    return f"{{ {fetch} -- {' '.join(quoted(value) for value in values)} }}"


def render_redirect(redirect: Redirect, listener: Listener, ports: dict[int, int]) -> str:
    """Return the target of a redirect as an HAProxy log-format string; ports are translated to this machine's."""
    scheme = redirect.protocol.lower().replace("#{protocol}", "https" if listener.certificate else "http")
    host = redirect.host.replace("#{host}", "%[req.hdr(host),field(1,:)]")
    aws_port = int(redirect.port.replace("#{port}", str(listener.aws_port)))
    if (redirect.path, redirect.query) == ("/#{path}", "#{query}"):
        rest = "%[pathq]"
    else:
        rest = redirect.path.replace("#{path}", "%[path,bytes(1)]")
        if redirect.query:
            rest += "?" + redirect.query.replace("#{query}", "%[query]")
    return f"{scheme}://{host}:{ports.get(aws_port, aws_port)}{rest}"


def render_rule(number: int, rule: Rule, listener: Listener, ports: dict[int, int]) -> list[str]:
    """Return the lines of one rule: the first rule whose conditions hold marks the request, its action heeds the mark."""
    conditions = "".join(f" {render_condition(one)}" for one in rule.conditions)
    lines = [f"http-request set-var(txn.rule) int({number}) if !{{ var(txn.rule) -m found }}{conditions}"]
    taken = f"if {{ var(txn.rule) -m int {number} }}"
    match rule.action:
        case Redirect() as redirect:
            location = quoted(render_redirect(redirect, listener, ports))
            lines.append(f"http-request redirect location {location} code {redirect.status} {taken}")
        case FixedResponse() as answer:
            content = f"content-type {quoted(answer.content_type)} string {quoted(answer.body)}"
            lines.append(f"http-request return status {answer.status} {content} {taken}")
        case Forward() as forward:
            total = sum(weight for _, weight in forward.pools)
            if total:
                lines.append(f"http-request set-var(txn.draw) rand({total}) {taken}")
            below = 0
            for pool, weight in forward.pools:
                if weight and forward.sticky_seconds:
                    lines += render_stickiness(pool, forward.sticky_seconds, taken, (below, below + weight - 1))
                below += weight
                if weight:
                    lines.append(f"use_backend {pool} {taken} {{ var(txn.draw) -m int lt {below} }}")
    return lines


def render_stickiness(pool: str, seconds: int, taken: str, drawn: tuple[int, int]) -> list[str]:
    """Return the lines that keep a client with a pool, which is that of the numbers from `drawn[0]` to `drawn[1]`.

    A cookie overrides what was drawn. User guide, "Sticky sessions for your Application Load Balancer": AWSALBTG names the
    target group that a rule has chosen; browsers get it once more as AWSALBTGCORS, for requests from other sites. One that
    names a target group which the rule does not have, or gives no weight, counts for nothing. On AWS it lives for seven
    days, and its encrypted content says for how long it holds; here it ends when it does not hold any more.
    """
    value = hashlib.sha256(pool.encode()).hexdigest()
    stays = [
        f"http-request set-var(txn.draw) int({drawn[0]}) {taken} {{ req.cook({name}) -m str {value} }}"
        for name in STICKY_COOKIES
    ]
    chosen = f"{taken} {{ var(txn.draw) -m int {drawn[0]}:{drawn[1]} }}"
    cookies = [
        quoted(f"{name}={value}; Expires=%[date({seconds}),http_date]; Path=/{more}") for name, more in STICKY_COOKIES.items()
    ]
    return [*stays, *[f"http-response add-header Set-Cookie {cookie} {chosen}" for cookie in cookies]]


def render_listener(listener: Listener, ports: dict[int, int]) -> list[str]:
    """Return a frontend. Forwarded headers are ALB's: user guide, "HTTP headers and Application Load Balancers"."""
    tls = f" ssl crt {quoted(str(listener.certificate))} alpn h2,http/1.1 ssl-min-ver TLSv1.2"
    rules = [line for number, rule in enumerate(listener.rules, 1) for line in render_rule(number, rule, listener, ports)]
    # HAProxy evaluates http-request rules before use_backend wherever they stand; in order, it has nothing to warn of.
    rules.sort(key=lambda line: line.startswith("use_backend"))
    return [
        f"frontend port_{listener.aws_port}",
        f"  bind 127.0.0.1:{listener.port}{tls if listener.certificate else ''}",
        "  option forwardfor",
        f"  http-request set-header X-Forwarded-Proto {'https' if listener.certificate else 'http'}",
        f"  http-request set-header X-Forwarded-Port {listener.aws_port}",
        *[f"  {line}" for line in rules],
        "",
    ]


def render_pool(pool: Pool, connect_timeout: int) -> list[str]:
    """Return a backend.

    User guide, "Troubleshoot your Application Load Balancers": 503 without a target, 502 if a target refuses or resets the
    connection, 504 if there is none within the time. HAProxy says 503 to all three, and its own are told from a target's,
    which `http-response` sees.
    """
    lines = [f"backend {pool.name}", f"  balance {pool.algorithm}"]
    if not pool.targets:
        answer = f"status 503 content-type text/html string {quoted(UNAVAILABLE)}"
        return [*lines, f"  http-request return {answer}", ""]
    own = "{ status 503 } !{ var(txn.answered) -m found }"
    lines += [
        "  http-request set-var(txn.begin) date(0,ms)",
        "  http-response set-var(txn.answered) bool(true)",
        f"  http-after-response set-status 504 if {own} {{ date(0,ms),sub(txn.begin) ge {connect_timeout * 1000} }}",
        f"  http-after-response set-status 502 if {own}",
    ]
    lines += [f"  server {one.name} {one.address}:{one.port}" for one in pool.targets]
    return [*lines, ""]


def render(balancer: Balancer) -> str:
    """Return haproxy.cfg.

    A request is sent to one target, once: an Application Load Balancer tries no other when the connection cannot be made or
    breaks, so that a dead host costs its share of the requests until its health checks have failed.
    """
    lines = [
        "global",
        f"  stats socket {quoted(str(balancer.admin_socket))} mode 600 level admin expose-fd listeners",
        "  hard-stop-after 300s",
        "",
        "defaults",
        "  mode http",
        "  log stdout format raw local0",
        "  option httplog",
        f"  timeout connect {balancer.connect_timeout}s",
        f"  timeout client {balancer.idle_timeout}s",
        f"  timeout server {balancer.idle_timeout}s",
        "  retries 0",
        # To a request that fails on a connection that it has used before, HAProxy gives no answer, and leaves it to the client.
        "  option http-server-close",
        # A client that sends its next request while its idle connection is closed for a reload would lose it: the process that
        # goes answers the request, and closes then.
        "  option idle-close-on-response",
        "",
        # Without any listener HAProxy would refuse to start.
        "frontend idle",
        f"  bind {quoted('unix@' + str(balancer.admin_socket.with_name('idle.sock')))}",
        "",
    ]
    for listener in balancer.listeners:
        lines += render_listener(listener, balancer.ports)
    for pool in balancer.pools:
        lines += render_pool(pool, balancer.connect_timeout)
    return "\n".join(lines)
