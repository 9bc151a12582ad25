"""One rule of a listener, and nothing else of it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.plugins.loading import FakeModule, ModuleFailed, defaults, load
from tests.plugins.test_modules import run, settles

Account = Callable[[str], Any]


class Balancer:
    """A balancer with a listener, and two target groups."""

    def __init__(self, account: Account) -> None:
        self.elb, ec2 = account("elbv2"), account("ec2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"][:2]]
        self.live, self.candidate = (
            self.elb.create_target_group(Name=name, Protocol="HTTP", Port=8080, VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
            for name in ("live", "candidate")
        )
        balancer = self.elb.create_load_balancer(Name="service", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
        self.listener = self.elb.create_listener(
            LoadBalancerArn=balancer,
            Protocol="HTTP",
            Port=443,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.live}],
        )["Listeners"][0]["ListenerArn"]

    def wanted(self, **changes: Any) -> dict[str, Any]:
        return (
            defaults("listener_rule")
            | {
                "load_balancer": "service",
                "priority": "10",
                "paths": ["/predict"],
                "forward": {self.live: 90, self.candidate: 10},
                "sticky_seconds": 3600,
                "tags": {"Experiment": "candidate"},
            }
            | changes
        )

    def rules(self) -> dict[str, Any]:
        found = self.elb.describe_rules(ListenerArn=self.listener)["Rules"]
        return {rule["Priority"]: rule for rule in found}


@pytest.fixture
def balancer(account: Account) -> Balancer:
    return Balancer(account)


def test_a_rule_settles_and_goes_and_the_default_action_stays(balancer: Balancer) -> None:
    before = balancer.rules()["default"]
    settles("listener_rule", balancer.wanted())
    rule = balancer.rules()["10"]
    config = rule["Actions"][0]["ForwardConfig"]
    weights = {group["TargetGroupArn"]: group["Weight"] for group in config["TargetGroups"]}
    assert weights == {balancer.live: 90, balancer.candidate: 10}
    assert config["TargetGroupStickinessConfig"] == {"Enabled": True, "DurationSeconds": 3600}
    settles("listener_rule", balancer.wanted(state="absent"))
    assert balancer.rules() == {"default": before}


def test_other_weights_and_no_stickiness_change_the_rule_that_is_there(balancer: Balancer) -> None:
    run("listener_rule", balancer.wanted())
    arn = balancer.rules()["10"]["RuleArn"]
    settles("listener_rule", balancer.wanted(forward={balancer.live: 1, balancer.candidate: 1}, sticky_seconds=0))
    assert balancer.rules()["10"]["RuleArn"] == arn


def test_it_tells_where_the_listener_sends_what_no_rule_matches(balancer: Balancer) -> None:
    assert run("listener_rule", balancer.wanted(), check_mode=True)["default_target_groups"] == [balancer.live]


def test_a_rule_of_somebody_else_is_neither_changed_nor_removed(balancer: Balancer) -> None:
    run("listener_rule", balancer.wanted(tags={"Owner": "somebody"}))
    for state in ("present", "absent"):
        with pytest.raises(ModuleFailed, match="somebody else"):
            load("modules", "listener_rule").run(FakeModule(balancer.wanted(state=state)))


def test_without_a_balancer_there_is_no_rule(account: Account) -> None:
    wanted = defaults("listener_rule") | {"load_balancer": "service", "priority": "10", "paths": ["/"], "forward": {"arn": 1}}
    with pytest.raises(ModuleFailed, match="no listener on port 443"):
        load("modules", "listener_rule").run(FakeModule(wanted))
    assert not run("listener_rule", wanted | {"state": "absent"})["changed"]


@pytest.mark.parametrize(
    "changes", [{"paths": []}, {"paths": [], "header": "X-Way", "value": None}, {"priority": "default", "state": "absent"}]
)
def test_what_makes_no_rule_is_refused_in_check_mode_too(balancer: Balancer, changes: dict[str, Any]) -> None:
    with pytest.raises(ModuleFailed, match=r"needs paths|always has a default action"):
        run("listener_rule", balancer.wanted(**changes), check_mode=True)
