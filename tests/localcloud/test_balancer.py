"""HAProxy's configuration for listeners, rules and target groups; requests through the real HAProxy."""

import http.client
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import trustme

from localcloud import backends
from localcloud.balancer import load_balancer as balancer
from localcloud.balancer import view as balancer_view
from localcloud.balancer.haproxy import (
    Balancer,
    Condition,
    FixedResponse,
    Forward,
    Listener,
    Pool,
    Redirect,
    Rule,
    Target,
    glob_to_regex,
    quoted,
    render,
)
from localcloud.balancer.load_balancer import LoadBalancer, check_configuration
from localcloud.balancer.log import BalancerLog
from localcloud.balancer.metrics import BalancerMetrics
from localcloud.balancer.targets import unused
from localcloud.errors import LocalCloudError
from localcloud.settings import Settings
from tests.localcloud.conftest import Cloud, eventually

needs_haproxy = pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
REDIRECT = Redirect("HTTPS", "#{host}", "443", "/#{path}", "#{query}", 301)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def full(directory: Path) -> Balancer:
    """Every kind of action and condition at once."""
    rules = (
        Rule((Condition("path-pattern", ("/old/*",)),), replace(REDIRECT, path="/new/#{path}", query="from=old")),
        Rule((Condition("host-header", ("*.example.com", "a'b.com")),), FixedResponse(418, "text/plain", "it's tea")),
        Rule((Condition("http-header", ("canary*",), "X-Release"),), Forward((("one", 9), ("two", 1)), 60)),
        Rule((Condition("http-request-method", ("DELETE",)), Condition("source-ip", ("10.0.0.0/8",))), REDIRECT),
        Rule((), Forward((("one", 1),))),
    )
    pools = (Pool("one", (Target("i-1", "10.0.0.4", 8080),)), Pool("two", (), "leastconn"))
    return Balancer(directory / "admin.sock", (Listener(80, 18080, rules),), pools, 60, {443: 8443, 80: 18080})


@needs_haproxy
def test_haproxy_accepts_every_kind_of_rule(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(render(full(tmp_path)))
    check_configuration(file)


@needs_haproxy
def test_haproxy_accepts_an_account_without_listeners(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(render(Balancer(tmp_path / "admin.sock")))
    check_configuration(file)


@needs_haproxy
def test_a_configuration_that_haproxy_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text("nonsense\n")
    with pytest.raises(LocalCloudError, match="nonsense"):
        check_configuration(file)


def test_a_redirect_to_443_goes_to_this_machines_port(tmp_path: Path) -> None:
    text = render(full(tmp_path))
    assert "'https://%[req.hdr(host),field(1,:)]:8443%[pathq]' code 301" in text


def test_a_group_without_targets_answers_503(tmp_path: Path) -> None:
    assert "return status 503" in render(full(tmp_path)).partition("backend two")[2]


def test_a_target_has_ten_seconds_to_take_a_connection(cloud: Cloud) -> None:
    # User guide, "Troubleshoot your Application Load Balancers", HTTP 504: "the connection timeout expired (10 seconds)".
    assert "  timeout connect 10s" in render(balancer_view.describe(cloud.account.settings)).splitlines()


@pytest.mark.parametrize(("pattern", "regex"), [("/a*", r"^/a.*$"), ("/a?.png", r"^/a.\.png$"), ("/x+y", r"^/x\+y$")])
def test_awss_wildcards_become_regular_expressions(pattern: str, regex: str) -> None:
    assert glob_to_regex(pattern) == regex


def test_text_cannot_leave_its_quotes() -> None:
    assert quoted("a'b") == "'a'\\''b'"
    with pytest.raises(ValueError, match="control character"):
        quoted("a\nstats socket /tmp/x")


class Echo(BaseHTTPRequestHandler):
    """Answers with the headers that the balancer adds; `/slow` waits until the test says go."""

    protocol_version = "HTTP/1.1"
    go = threading.Event()
    begun = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.begun.set()
            self.go.wait(10)
        body = f"{self.headers['X-Forwarded-For']} {self.headers['X-Forwarded-Proto']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Port", str(self.server.server_address[1]))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def upstream() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Echo.go.clear()
    Echo.begun.clear()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield int(server.server_address[1])
    Echo.go.set()
    server.shutdown()
    server.server_close()


class Served:
    """A real HAProxy that serves the account's balancer; the target is a server on this machine."""

    def __init__(self, cloud: Cloud, directory: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = Settings(root=directory, https_port=free_port(), http_port=free_port(), routing_delay=0)
        ec2, self.elb = cloud.client("ec2"), cloud.client("elbv2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"][:2]]
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("localhost")
        certificate = cloud.client("acm").import_certificate(
            Certificate=issued.cert_chain_pems[0].bytes(), PrivateKey=issued.private_key_pem.bytes()
        )["CertificateArn"]
        reply = self.elb.create_target_group(Name="service", Protocol="HTTP", Port=port, VpcId=vpc)
        self.group = reply["TargetGroups"][0]["TargetGroupArn"]
        arn = self.elb.create_load_balancer(Name="service", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
        self.elb.create_listener(
            LoadBalancerArn=arn,
            Protocol="HTTPS",
            Port=443,
            Certificates=[{"CertificateArn": certificate}],
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.group}],
        )
        redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
        self.elb.create_listener(
            LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[{"Type": "redirect", "RedirectConfig": redirect}]
        )
        instance = SimpleNamespace(state="running", private_ip="127.0.0.1")
        monkeypatch.setattr(backends.ec2(), "get_instance_by_id", lambda _: instance)
        monkeypatch.setattr(balancer, "RELOAD_TIME", 0.5)
        self.balancer = LoadBalancer(self.settings)
        self.balancer.start()

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        connection = http.client.HTTPSConnection("localhost", self.settings.https_port, context=context, timeout=10)
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()


@pytest.fixture
def served(cloud: Cloud, tmp_path: Path, upstream: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    one = Served(cloud, tmp_path, upstream, monkeypatch)
    yield one
    one.balancer.close()


@needs_haproxy
def test_requests_reach_a_registered_target_over_tls_with_albs_headers(served: Served) -> None:
    assert served.get("/")[0] == 503
    served.elb.register_targets(TargetGroupArn=served.group, Targets=[{"Id": "i-0123456789abcdef0"}])
    served.balancer.update()
    assert eventually(lambda: served.get("/") == (200, "127.0.0.1 https"))


class Split(Served):
    """A rule shares the requests for /predict between two groups; each has a target of its own."""

    hosts: ClassVar = {"live": "i-0123456789abcdef0", "candidate": "i-0123456789abcdef1"}

    def __init__(self, cloud: Cloud, directory: Path, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(cloud, directory, ports["live"], monkeypatch)
        vpc = cloud.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
        made = self.elb.create_target_group(Name="candidate", Protocol="HTTP", Port=ports["candidate"], VpcId=vpc)
        self.groups = {"live": self.group, "candidate": made["TargetGroups"][0]["TargetGroupArn"]}
        self.ports = ports
        for name, arn in self.groups.items():
            self.elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": self.hosts[name]}])
        self.rule: str | None = None

    def share(self, live: int, candidate: int, sticky_seconds: int = 0) -> None:
        weights = {"live": live, "candidate": candidate}
        groups = [{"TargetGroupArn": self.groups[name], "Weight": weight} for name, weight in weights.items()]
        sticky = {"Enabled": True, "DurationSeconds": sticky_seconds} if sticky_seconds else {"Enabled": False}
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": sticky}}
        if self.rule:
            self.elb.modify_rule(RuleArn=self.rule, Actions=[action])
        else:
            balancer = self.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
            listeners = self.elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
            made = self.elb.create_rule(
                ListenerArn=next(one["ListenerArn"] for one in listeners if one["Port"] == 443),
                Priority=10,
                Conditions=[{"Field": "path-pattern", "Values": ["/predict"]}],
                Actions=[action],
            )
            self.rule = made["Rules"][0]["RuleArn"]
        before = self.workers()
        self.balancer.update()
        # A process of before may accept one more connection.
        eventually(lambda: (now := self.workers()) and not now & before)

    def workers(self) -> set[str]:
        try:
            return set(self.balancer._workers())
        except OSError:  # in the middle of a reload
            return set()

    def ask(self, cookie: str = "", path: str = "/predict") -> tuple[str, list[str]]:
        """Return who answered, "" if nobody has, and the cookies that were set."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        connection = http.client.HTTPSConnection("localhost", self.settings.https_port, context=context, timeout=10)
        connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
        reply = connection.getresponse()
        reply.read()
        names = {str(port): name for name, port in self.ports.items()}
        return names.get(reply.headers["X-Port"] or "", ""), reply.headers.get_all("Set-Cookie") or []


@pytest.fixture
def split(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Split]:
    servers = {name: ThreadingHTTPServer(("127.0.0.1", 0), Echo) for name in ("live", "candidate")}
    for server in servers.values():
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    ports = {name: int(server.server_address[1]) for name, server in servers.items()}
    one = Split(cloud, tmp_path, ports, monkeypatch)
    yield one
    one.balancer.close()
    for server in servers.values():
        server.shutdown()
        server.server_close()


@needs_haproxy
def test_a_client_stays_with_the_target_group_that_it_was_sent_to_first(split: Split) -> None:
    split.share(1, 1, sticky_seconds=60)
    eventually(lambda: split.ask()[1])
    first = [split.ask() for _ in range(40)]
    assert {name for name, _ in first} == {"live", "candidate"}
    for name, cookies in first[:10]:
        assert [cookie.split("=")[0] for cookie in cookies] == ["AWSALBTG", "AWSALBTGCORS"]
        for cookie in cookies:
            assert {split.ask(cookie.split(";")[0])[0] for _ in range(4)} == {name}


@needs_haproxy
def test_a_cookie_ends_after_its_time_and_is_kept_for_the_whole_site(split: Split) -> None:
    split.share(1, 1, sticky_seconds=3600)
    plain, other_sites = eventually(lambda: split.ask()[1])
    attributes = dict(part.strip().partition("=")[::2] for part in plain.split(";"))
    ends = parsedate_to_datetime(attributes["Expires"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < ends < timedelta(minutes=61)
    assert attributes["Path"] == "/"
    assert other_sites.endswith("; SameSite=None; Secure")


@needs_haproxy
def test_without_stickiness_and_outside_of_the_rule_no_cookie_is_set(split: Split) -> None:
    split.share(0, 1)
    eventually(lambda: split.ask()[0] == "candidate")
    assert split.ask()[1] == []
    assert split.ask(path="/") == ("live", [])


@needs_haproxy
def test_a_cookie_of_a_group_without_weight_counts_for_nothing(split: Split) -> None:
    split.share(0, 1, sticky_seconds=60)
    cookie = eventually(lambda: split.ask()[1])[0].split(";")[0]
    split.share(1, 0, sticky_seconds=60)
    eventually(lambda: split.ask()[0] == "live")
    assert split.ask(cookie)[0] == "live"
    assert split.ask("AWSALBTG=somebody-elses")[0] == "live"


@needs_haproxy
def test_plain_http_is_redirected(served: Served) -> None:
    connection = http.client.HTTPConnection("localhost", served.settings.http_port)
    connection.request("GET", "/a?b=c")
    reply = connection.getresponse()
    assert reply.status == 301
    assert reply.headers["Location"] == f"https://localhost:{served.settings.https_port}/a?b=c"


@needs_haproxy
def test_a_target_that_leaves_finishes_its_requests_and_gets_no_new_ones(served: Served) -> None:
    target = "i-0123456789abcdef0"
    served.elb.register_targets(TargetGroupArn=served.group, Targets=[{"Id": target}])
    served.balancer.update()
    eventually(lambda: served.get("/")[0] == 200)
    answers: list[tuple[int, str]] = []
    slow = threading.Thread(target=lambda: answers.append(served.get("/slow")))
    slow.start()
    assert Echo.begun.wait(10)
    served.elb.deregister_targets(TargetGroupArn=served.group, Targets=[{"Id": target}])
    served.balancer.update()
    eventually(lambda: served.get("/")[0] == 503)
    Echo.go.set()
    slow.join()
    assert answers[0][0] == 200


@needs_haproxy
def test_a_client_that_keeps_its_connection_is_answered_after_a_reload(served: Served) -> None:
    served.elb.register_targets(TargetGroupArn=served.group, Targets=[{"Id": "i-0123456789abcdef0"}])
    served.balancer.update()
    eventually(lambda: served.get("/")[0] == 200)
    context = ssl.create_default_context()
    served.authority.configure_trust(context)
    connection = http.client.HTTPSConnection("localhost", served.settings.https_port, context=context, timeout=10)

    def ask() -> int:
        connection.request("GET", "/")
        reply = connection.getresponse()
        reply.read()
        return reply.status

    assert ask() == 200
    kept = connection.sock
    served.elb.modify_target_group_attributes(
        TargetGroupArn=served.group,
        Attributes=[{"Key": "load_balancing.algorithm.type", "Value": "least_outstanding_requests"}],
    )
    before = served.balancer._running()
    served.balancer.update()
    eventually(lambda: served.balancer._running() - before)
    time.sleep(0.5)  # in which the process that goes would close what is idle
    assert connection.sock is kept
    assert ask() == 200


@needs_haproxy
def test_every_request_is_measured_also_those_that_a_process_finishes_after_a_reload(served: Served) -> None:
    metrics = BalancerMetrics(BalancerLog(served.balancer.log_file))

    def put() -> None:
        for namespace, data in metrics():
            backends.cloudwatch().put_metric_data(namespace, data)

    served.get("/")
    target = "i-0123456789abcdef0"
    served.elb.register_targets(TargetGroupArn=served.group, Targets=[{"Id": target}])
    served.balancer.update()
    eventually(lambda: served.get("/")[0] == 200)
    slow = threading.Thread(target=lambda: served.get("/slow"))
    slow.start()
    assert Echo.begun.wait(10)
    served.elb.modify_target_group_attributes(
        TargetGroupArn=served.group,
        Attributes=[{"Key": "load_balancing.algorithm.type", "Value": "least_outstanding_requests"}],
    )
    served.balancer.update()
    for _ in range(4):
        assert served.get("/")[0] == 200
    put()
    Echo.go.set()
    slow.join()
    balancer = served.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"].split(":loadbalancer/")[1]

    def total(name: str) -> float:
        put()
        day = timedelta(days=1)
        store, now = backends.cloudwatch().metric_data, datetime.now(UTC).replace(tzinfo=None)
        found = store.between(("AWS/ApplicationELB", name, [("LoadBalancer", balancer)]), now - day, now + day)
        return float(sum(value for datum in found for value in datum.expanded()))

    eventually(lambda: total("RequestCount") == 6)
    assert total("HTTPCode_Target_2XX_Count") == 6
    assert total("HTTPCode_ELB_5XX_Count") >= 1
    assert total("TargetResponseTime") > 0


@needs_haproxy
def test_weights_move_requests_from_one_group_to_another_and_finish_those_in_flight(served: Served) -> None:
    asked: list[str] = []

    class New(Echo):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

    upstream = ThreadingHTTPServer(("127.0.0.1", 0), New)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    vpc = served.elb.describe_target_groups()["TargetGroups"][0]["VpcId"]
    made = served.elb.create_target_group(Name="new", Protocol="HTTP", Port=upstream.server_port, VpcId=vpc)
    new = made["TargetGroups"][0]["TargetGroupArn"]
    (listener,) = (
        one["ListenerArn"]
        for balancer in served.elb.describe_load_balancers()["LoadBalancers"]
        for one in served.elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        if one["Port"] == 443
    )

    def weigh(old_weight: int, new_weight: int) -> None:
        weights = [{"TargetGroupArn": served.group, "Weight": old_weight}, {"TargetGroupArn": new, "Weight": new_weight}]
        action = {"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}
        served.elb.modify_listener(ListenerArn=listener, DefaultActions=[action])
        served.balancer.update()

    try:
        served.elb.register_targets(TargetGroupArn=served.group, Targets=[{"Id": "i-0123456789abcdef0"}])
        served.elb.register_targets(TargetGroupArn=new, Targets=[{"Id": "i-0123456789abcdef1"}])
        weigh(100, 0)
        condition = {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Proof", "Values": ["secret"]}}
        to_new = [{"Type": "forward", "TargetGroupArn": new}]
        served.elb.create_rule(ListenerArn=listener, Priority=1, Conditions=[condition], Actions=to_new)
        served.balancer.update()
        eventually(lambda: served.get("/proof", **{"X-Proof": "secret"})[0] == 200 and "/proof" in asked)
        for _ in range(10):
            assert served.get("/old")[0] == 200
        assert set(asked) == {"/proof"}
        answers: list[tuple[int, str]] = []
        slow = threading.Thread(target=lambda: answers.append(served.get("/slow")))
        slow.start()
        assert Echo.begun.wait(10)
        weigh(0, 100)
        eventually(lambda: served.get("/new")[0] == 200 and "/new" in asked)
        Echo.go.set()
        slow.join()
        assert answers[0][0] == 200
        assert "/slow" not in asked
    finally:
        upstream.shutdown()
        upstream.server_close()


def test_only_healthy_targets_get_requests_or_all_that_can_when_none_is_healthy() -> None:
    health = {one: SimpleNamespace(state="unhealthy") for one in ("i-1", "i-2")} | {"i-3": unused("stopped")}
    group = SimpleNamespace(targets=dict.fromkeys(health), health=health)
    assert balancer_view.routable(group) == ["i-1", "i-2"]
    health["i-2"].state = "healthy"
    assert balancer_view.routable(group) == ["i-2"]


OTHER = "i-0123456789abcdef1"


class Two(Served):
    """One target of the group is a server on this machine, the other one whatever `port` is."""

    def join(self, port: int) -> None:
        targets = [{"Id": "i-0123456789abcdef0"}, {"Id": OTHER, "Port": port}]
        self.elb.register_targets(TargetGroupArn=self.group, Targets=targets)
        before = self.balancer._running()
        self.balancer.update()
        # A process of before may accept one more connection.
        eventually(lambda: (now := self.balancer._running()) and not now & before)

    def answers(self, count: int) -> list[int]:
        return [self.get("/")[0] for _ in range(count)]


@pytest.fixture
def two(cloud: Cloud, tmp_path: Path, upstream: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    monkeypatch.setattr(balancer_view, "CONNECT_TIMEOUT", 1)
    one = Two(cloud, tmp_path, upstream, monkeypatch)
    yield one
    one.balancer.close()


@needs_haproxy
def test_a_request_to_a_host_that_refuses_it_is_lost_and_no_other_host_is_tried(two: Two) -> None:
    two.join(free_port())
    assert sorted(two.answers(6)) == [200] * 3 + [502] * 3


@needs_haproxy
def test_a_request_to_a_host_that_is_gone_is_a_504_when_the_time_to_connect_is_over(two: Two) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:  # the kernel takes no further connection, and says nothing
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        two.join(full.getsockname()[1])
        assert sorted(two.answers(2)) == [200, 504]
        for one in waiting:
            one.close()


@needs_haproxy
def test_a_host_that_breaks_off_its_answer_is_a_502_and_one_that_answers_503_is_a_503(two: Two) -> None:
    class Odd(Echo):
        answer = b""

        def do_GET(self) -> None:
            self.wfile.write(self.answer)
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        two.join(server.server_port)
        assert sorted(two.answers(4)) == [200, 200, 502, 502]
        Odd.answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
        assert sorted(two.answers(4)) == [200, 200, 503, 503]
    finally:
        server.shutdown()
        server.server_close()


@needs_haproxy
def test_a_client_that_keeps_its_connection_has_its_answer_too_when_the_host_is_gone(served: Served) -> None:
    last = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    last.daemon_threads = True
    threading.Thread(target=last.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    served.elb.register_targets(TargetGroupArn=served.group, Targets=[{"Id": OTHER, "Port": last.server_port}])
    served.balancer.update()
    eventually(lambda: served.get("/")[0] == 200)
    context = ssl.create_default_context()
    served.authority.configure_trust(context)
    connection = http.client.HTTPSConnection("localhost", served.settings.https_port, context=context, timeout=10)

    def ask(path: str) -> int:
        connection.request("GET", path)
        reply = connection.getresponse()
        reply.read()
        return reply.status

    assert ask("/") == 200
    last.shutdown()
    last.server_close()
    assert ask("/last") == 502


@needs_haproxy
def test_what_the_api_says_takes_effect_after_the_routing_delay(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(balancer.time, "monotonic", lambda: now[0])
    served.balancer._settings = replace(served.settings, routing_delay=10)
    served.elb.register_targets(TargetGroupArn=served.group, Targets=[{"Id": OTHER}])
    served.balancer.update()
    now[0] += 9
    served.balancer.update()
    assert OTHER not in served.balancer._text
    now[0] += 1
    served.elb.deregister_targets(TargetGroupArn=served.group, Targets=[{"Id": OTHER}])
    served.balancer.update()
    assert OTHER in served.balancer._text
    now[0] += 10
    served.balancer.update()
    assert OTHER not in served.balancer._text
