"""The modules of a blue/green rollout, on an account of the local cloud whose hosts are healthy as soon as they run."""

import json
import ssl
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.blue_green_client import Fleets
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.lock import Lock, LockLostError, body

from localcloud import backends
from tests.localcloud.conftest import Cloud, cloud, eventually, served_cloud
from tests.localcloud.scaling_group import Group
from tests.plugins.loading import REGION, FakeModule, ModuleFailed, defaults, load

__all__ = ["cloud", "served_cloud"]

progress = load("action", "fleet_progress")
COLOURS = [{"group": name, "target_group": name} for name in ("service", "service-g")]
PLANNED = {"balancer": "service", "port": 80, "colours": COLOURS, "launch_template_id": None, "steps": [10, 100]}


class World:
    """A service that has never seen a blue/green rollout, and calls of the modules."""

    def __init__(self, account: Cloud) -> None:
        self.account, self.blue = account, Group(account, version="1")
        self.elb, self.asg = self.blue.elb, self.blue.asg
        self.template = self.blue.ec2.describe_launch_templates()["LaunchTemplates"][0]["LaunchTemplateId"]
        self.green = ""

    def fleets(self, version: int | None = None) -> dict[str, Any]:
        parameters = PLANNED | {"launch_template_id": self.template, "launch_template_version": version}
        result: dict[str, Any] = load("modules", "service_fleets").run(FakeModule(parameters))
        return result

    def weigh(self, weights: dict[str, int], check_mode: bool = False, **more: Any) -> dict[str, Any]:
        return self.rule(check_mode, priority="default", forward=weights, **more)

    def rule(self, check_mode: bool = False, **more: Any) -> dict[str, Any]:
        return self.run("listener_rule", check_mode, listener_arn=self.fleets()["listener_arn"], **more)

    def state(self, state: str, check_mode: bool = False, **more: Any) -> dict[str, Any]:
        return self.run("fleet_state", check_mode, **{"group": "service-g", "state": state} | more)

    @staticmethod
    def run(name: str, check_mode: bool, **parameters: Any) -> dict[str, Any]:
        result: dict[str, Any] = load("modules", name).run(FakeModule(defaults(name) | parameters, check_mode))
        return result

    def bring_green(self) -> None:
        """Do what the role's beginning does: a target group with weight 0, and a group of another version."""
        version = {"LaunchTemplateName": "service", "LaunchTemplateData": {"InstanceType": "c5.xlarge"}}
        self.blue.ec2.create_launch_template_version(SourceVersion="1", **version)
        vpc = self.elb.describe_target_groups()["TargetGroups"][0]["VpcId"]
        made = self.elb.create_target_group(Name="service-g", Protocol="HTTP", Port=8080, VpcId=vpc)["TargetGroups"][0]
        self.green = made["TargetGroupArn"]
        backends.elbv2().target_groups[self.green].health_check_interval_seconds = 0.1
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "0"}
        self.elb.modify_target_group_attributes(TargetGroupArn=self.green, Attributes=[delay])
        self.weigh({self.blue.target_group: 100, self.green: 0})
        group = self.asg.describe_auto_scaling_groups()["AutoScalingGroups"][0]
        self.asg.create_auto_scaling_group(
            AutoScalingGroupName="service-g",
            LaunchTemplate={"LaunchTemplateName": "service", "Version": "2"},
            MinSize=2,
            MaxSize=4,
            VPCZoneIdentifier=group["VPCZoneIdentifier"],
            TargetGroupARNs=[self.green],
            Tags=[{"Key": "Rollout", "Value": "incoming"}],
        )

    def group(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]
        return found


@pytest.fixture
def world(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    for name, value in cloud.key.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    return World(cloud)


@pytest.fixture
def lock(world: World) -> Lock:
    s3 = world.account.client("s3")
    s3.create_bucket(Bucket="releases")
    held = Lock(s3, "releases", "dev/rollout.lock")
    assert held.take(body("me", "ann", "pets", datetime.now(UTC)), over=None)
    return held


def watch(world: World, lock: Lock, identity: str = "me") -> Any:
    return progress.Watch(REGION, COLOURS, world.fleets()["listener_arn"], lock, identity)


def test_nothing_is_live_in_an_empty_account(world: World) -> None:
    parameters = PLANNED | {"balancer": "none", "colours": [{"group": "a", "target_group": "a"}] * 2}
    found = load("modules", "service_fleets").run(FakeModule(parameters | {"launch_template_version": 1}))
    assert (found["action"], found["live"]["group"], found["listener_arn"]) == ("absent", "a", "")
    assert not found["forwards"]


def test_no_rollout_begins_while_a_rule_of_its_own_names_the_live_fleet(world: World) -> None:
    rule = world.elb.create_rule(
        ListenerArn=world.fleets()["listener_arn"],
        Priority=10,
        Conditions=[{"Field": "path-pattern", "Values": ["/predict"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": world.blue.target_group}],
    )["Rules"][0]["RuleArn"]
    with pytest.raises(ModuleFailed, match=r"^Rule 10 of the listener .*make experiment-end"):
        world.fleets(2)
    assert world.fleets(1)["action"] == "none"
    world.elb.delete_rule(RuleArn=rule)
    assert world.fleets(2)["action"] == "start"


def test_a_fleet_comes_takes_over_and_the_old_one_is_removed(world: World, lock: Lock) -> None:
    assert world.fleets(2) | {"action": "start", "checkpoints": [0, 10, 100], "changed": True} == world.fleets(2)
    world.bring_green()
    found = world.fleets(2)
    assert (found["action"], found["checkpoints"], found["share"]) == ("follow", [0, 10, 100], 0)
    assert found["forwards"]
    seen, reached = progress.follow(watch(world, lock), progress.Goal("healthy", 30), 0.05, lambda _: None)
    assert reached
    assert (len(seen.new), len(seen.old), seen.trouble) == (2, 2, "")
    blue, green = world.blue.target_group, world.green
    assert world.weigh({blue: 90, green: 10}, check_mode=True)["changed"]
    assert world.fleets()["share"] == 0
    assert world.weigh({blue: 90, green: 10}, expected={blue: 100, green: 0})["changed"]
    assert not world.weigh({blue: 90, green: 10})["changed"]
    assert (world.fleets(2)["checkpoints"], world.fleets(2)["resumed"]) == ([10, 100], True)
    world.weigh({green: 1})
    assert not world.weigh({green: 100})["changed"]  # a lone target group gets everything
    world.asg.delete_tags(
        Tags=[{"ResourceId": "service-g", "ResourceType": "auto-scaling-group", "Key": "Rollout", "Value": "incoming"}]
    )
    left = world.fleets(2)
    assert (left["action"], left["live"]["group"], left["other"]["group"]) == ("clean", "service-g", "service")
    with pytest.raises(ModuleFailed, match="service still has 2 hosts"):
        world.state("absent", group="service", target_group_arn=blue)
    world.state("emptied", group="service")
    emptied = progress.Watch(REGION, COLOURS[::-1], left["listener_arn"], lock, "me")
    assert progress.follow(emptied, progress.Goal("empty", 60), 0.05, lambda _: None)[1]
    assert world.state("absent", group="service", target_group_arn=blue)["changed"]
    assert not world.state("absent", group="service", target_group_arn=blue)["changed"]
    after = world.fleets(2)
    assert (after["action"], after["live"]["group"], after["leftover"]) == ("none", "service-g", False)


def test_a_fleet_keeps_its_size_while_it_is_held_and_a_mark_is_written_once(world: World) -> None:
    world.blue.settled(2)
    assert world.state("held", check_mode=True, group="service", at_least=6)["changed"]
    assert world.group("service")["MinSize"] == 1
    assert world.state("held", group="service")["changed"]
    assert (world.group("service")["MinSize"], world.group("service")["MaxSize"]) == (2, 4)
    assert not world.state("held", group="service")["changed"]
    world.state("held", group="service", at_least=6)
    assert (world.group("service")["DesiredCapacity"], world.group("service")["MaxSize"]) == (6, 6)
    assert world.state("marked", group="service", tag={"Rollout": "withdrawn"})["changed"]
    assert not world.state("marked", group="service", tag={"Rollout": "withdrawn"})["changed"]
    assert world.fleets()["live"]["mark"] == "withdrawn"
    assert world.state("emptied")["exists"] is False


def test_protected_hosts_do_not_keep_a_group_from_being_emptied(world: World) -> None:
    first = world.blue.settled(2)[0]
    world.asg.set_instance_protection(AutoScalingGroupName="service", InstanceIds=[first], ProtectedFromScaleIn=True)
    world.state("emptied", group="service")
    eventually(lambda: not world.group("service")["Instances"])


def test_somebody_elses_weights_are_left_alone(world: World) -> None:
    blue = world.blue.target_group
    with pytest.raises(ModuleFailed, match="somebody else has changed them"):
        world.weigh({blue: 90}, expected={"arn:other": 100})
    sticky = {
        "TargetGroups": [{"TargetGroupArn": blue}],
        "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60},
    }
    world.elb.modify_listener(
        ListenerArn=world.fleets()["listener_arn"], DefaultActions=[{"Type": "forward", "ForwardConfig": sticky}]
    )
    assert world.weigh({blue: 1})["changed"]
    assert not world.weigh({blue: 1})["changed"]


def test_a_header_has_one_rule_that_comes_first_and_goes_again(world: World) -> None:
    blue, listener = world.blue.target_group, world.fleets()["listener_arn"]
    path = {"Field": "path-pattern", "Values": ["/a"]}
    world.elb.create_rule(
        ListenerArn=listener, Priority=5, Conditions=[path], Actions=[{"Type": "forward", "TargetGroupArn": blue}]
    )

    def rules() -> list[tuple[str, list[str]]]:
        found = world.elb.describe_rules(ListenerArn=listener)["Rules"]
        conditions = [(rule["Priority"], rule["Conditions"][0]) for rule in found if rule["Conditions"]]
        return sorted((one, config["HttpHeaderConfig"]["Values"]) for one, config in conditions if "HttpHeaderConfig" in config)

    def keep(value: str, check_mode: bool = False) -> dict[str, Any]:
        wanted = {"forward": {blue: 1}, "tags": {"Rollout": "incoming"}}
        return world.rule(check_mode, header="X-Rollout", value=value, **wanted)

    assert keep("one", check_mode=True)["changed"]
    assert rules() == []
    kept = keep("one")
    assert kept["changed"]
    assert "one" not in str(kept)
    assert not keep("one")["changed"]
    keep("two")
    assert rules() == [("1", ["two"])]
    assert world.rule(header="x-rollout", state="absent")["changed"]
    assert not world.rule(header="x-rollout", state="absent")["changed"]
    assert rules() == []
    assert len(world.elb.describe_rules(ListenerArn=listener)["Rules"]) == 2  # the default one, and somebody else's


def test_what_ends_a_rollout_is_seen_while_it_is_looked_on_at(world: World, lock: Lock) -> None:
    world.bring_green()
    said: list[str] = []
    goal = progress.Goal("time", 600, share=0, alarms=["errors"])
    cloudwatch = world.account.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="errors",
        MetricName="InferenceErrors",
        Namespace="PetTracker/ML",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
    )
    assert watch(world, lock).observe(goal).trouble == ""
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    seen, reached = progress.follow(watch(world, lock), goal, 0.05, said.append)
    assert (seen.trouble, reached) == ("The alarm errors rings.", True)
    assert said[0].startswith("service-g gets 0 % of the requests, ")
    assert "service-g gets 0 % instead of 10 %" in watch(world, lock).observe(progress.Goal("now", share=10)).trouble
    world.state("marked", tag={"Rollout": "withdrawn"})
    assert watch(world, lock).observe(goal).trouble == "Somebody has taken service-g back."
    with pytest.raises(LockLostError):
        watch(world, lock, "another").observe(goal)
    assert (lock.read().body["beats"]) > 0  # type: ignore[union-attr]


def test_a_group_that_is_being_deleted_is_as_good_as_gone() -> None:
    class Scaling:
        def describe_auto_scaling_groups(self, **_: Any) -> dict[str, Any]:
            return {"AutoScalingGroups": [{"AutoScalingGroupName": "service", "Status": "Delete in progress"}]}

    class Balancing:
        def describe_target_groups(self, **_: Any) -> dict[str, Any]:
            return {"TargetGroups": [{"TargetGroupArn": "arn"}]}

    first, _ = Fleets(Scaling(), Balancing(), COLOURS).read([])
    assert first.found is None


def test_requests_through_the_balancer_are_counted_and_errors_told(cloud: Cloud) -> None:
    module = load("modules", "balancer_answers")
    parameters = {
        "url": cloud.url,
        "ca": "",
        "server_name": "",
        "headers": {},
        "filename": "a.json",
        "content": "e30=",
        "count": 2,
        "timeout": 5,
    }
    answered = module.run(parameters)
    assert (answered["sent"], len(answered["errors"]), answered["digests"]) == (2, 2, [])
    assert not answered["errors"][0].startswith("no answer")
    silent = module.run(parameters | {"url": "https://127.0.0.1:1", "count": 1})
    assert silent["errors"][0].startswith("no answer: ")


def test_answers_are_those_of_who_has_the_certificate_of_the_service(world: World, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("pets.example.com")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            content = json.dumps({"model": {"digest": self.headers["Host"]}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sent = {"headers": {}, "filename": "a.json", "content": "e30=", "count": 1, "timeout": 5}
    sent |= {"url": f"https://127.0.0.1:{server.server_port}", "ca": str(tmp_path / "ca.pem")}
    try:
        ask = load("modules", "balancer_answers").run
        assert ask(sent | {"server_name": "pets.example.com"})["digests"] == ["pets.example.com"]
        for name, ca in (("", sent["ca"]), ("cats.example.com", sent["ca"]), ("pets.example.com", "")):
            refused = ask(sent | {"server_name": name, "ca": ca})
            assert refused["digests"] == []
            assert "CERTIFICATE_VERIFY_FAILED" in refused["errors"][0]
    finally:
        server.shutdown()
        server.server_close()
    # Which name that is, the listener's certificate says.
    assert world.fleets()["certificate_name"] == ""
    imported = world.account.client("acm").import_certificate(
        Certificate=issued.cert_chain_pems[0].bytes(), PrivateKey=issued.private_key_pem.bytes()
    )
    listener = world.fleets()["listener_arn"]
    shown = [{"CertificateArn": imported["CertificateArn"]}]
    world.elb.modify_listener(ListenerArn=listener, Protocol="HTTPS", Certificates=shown)
    assert world.fleets()["certificate_name"] == "pets.example.com"
