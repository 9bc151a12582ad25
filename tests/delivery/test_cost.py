"""A bill is made of what modules describe, never of a guess: what has no price is named."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.charges import Range
from click.testing import CliRunner

from delivery.cli import main
from delivery.cost import text as cost_text
from delivery.cost.bill import Estimate, bill, estimate
from delivery.cost.prices import PRICES, read_prices, read_usage
from delivery.errors import DeliveryError
from delivery.inventories import environments, variable_files
from delivery.plan.comments import LIMIT, body
from tests.delivery.test_plans import THRESHOLD
from tests.delivery.test_plans import plan as plan_of

GROUP = ("Auto Scaling group", "service")
TEMPLATE = ("launch template", "service")
BALANCER = ("load balancer", "service")
State = dict[tuple[str, str], dict[str, Any]]


def usage(**own: Any) -> Any:
    return read_usage("none").model_copy(update={name: Decimal(str(value)) for name, value in own.items()})


def dollars(*amounts: str) -> Range:
    return Range(Decimal(amounts[0]), Decimal(amounts[-1]))


@pytest.fixture
def service() -> State:
    """Two to ten hosts behind a balancer, as configured out of the box."""
    alarm = {"period": 300}
    return {
        ("subnet", "public-a"): {"zone": "us-east-1a"},
        GROUP: {"min_size": 2, "max_size": 10, "mixed_instances": None, "schedules": {}},
        TEMPLATE: {
            "instance_type": "c5.large",
            "volumes": {"/dev/xvda": {"volume_type": "gp3", "volume_size": 50}},
            "detailed_monitoring": True,
        },
        BALANCER: {"scheme": "internet-facing", "subnets": ["subnet-a", "subnet-b"]},
        ("listener", "service:443"): {"protocol": "HTTPS"},
        ("log group", "/service"): {"retention_days": 14},
        **{("alarm", name): alarm for name in ("cpu", "memory", "disk", "errors", "status-check")},
    }


def compare(before: State, after: State, **own: Any) -> Estimate:
    resources = [
        {"kind": kind, "name": name, "before": before.get((kind, name)), "after": after.get((kind, name))}
        for kind, name in dict.fromkeys((*before, *after))
    ]
    return estimate(plan_of() | {"resources": resources}, read_prices(), usage(**own))


def changed(state: State, key: tuple[str, str], **fields: Any) -> State:
    return copy.deepcopy(state) | {key: state[key] | fields}


# The breakdown that this project began with, of an article about two hosts with such volumes, a balancer and 500 GB a month.
TOLD = {"instances": 74, "volumes": 8, "data": 45, "cloudwatch": 15, "balancer": 25}


def test_the_bill_that_the_project_began_with_comes_out_of_its_configuration(service: State) -> None:
    found = bill(service, "us-east-1", read_prices(), usage(log_gb=12))
    cost = {name: sums.least for name, sums in found.by_service().items()}
    addresses = sum(line.cost.least for line in found.lines if "public address" in line.part)
    # The article's hosts are reserved for a year; this bill buys each hour by itself.
    reserved = cost["instances"] * Decimal("0.6")
    ours = cost | {"instances": reserved, "data": cost["network"] - addresses}
    for name, told in TOLD.items():
        assert ours[name] == pytest.approx(told, rel=Decimal("0.05")), name
    assert cost["instances"] == Decimal("124.10")
    # AWS has charged for public IPv4 addresses since February 2024, one in each subnet of a balancer.
    assert addresses == Decimal("7.30")
    comparable = found.total.least - cost["instances"] + reserved - addresses
    assert comparable == pytest.approx(Decimal(167), rel=Decimal("0.02"))


@pytest.mark.parametrize(
    ("key", "fields", "more"),
    [
        # c5.xlarge costs 8.5 cents an hour more: 730 hours, 2 hosts and 10.
        (TEMPLATE, {"instance_type": "c5.xlarge"}, dollars("124.10", "620.50")),
        # 30 GB at 8 cents, 2 hosts and 10.
        (TEMPLATE, {"volumes": {"/dev/xvda": {"volume_type": "gp3", "volume_size": 80}}}, dollars("4.80", "24.00")),
        # Seven metrics of 30 cents for each host.
        (TEMPLATE, {"detailed_monitoring": False}, dollars("-4.20", "-21.00")),
        # A host is 62.05 of hours, 4 of volume, 2.10 and 1.20 of metrics.
        (GROUP, {"min_size": 3}, dollars("69.35", "0.00")),
        (GROUP, {"max_size": 12}, dollars("0.00", "138.70")),
        (GROUP, {"schedules": {"fair": {"max_size": 12}}}, dollars("0.00", "138.70")),
        (GROUP, {"warm_up": 90}, dollars("0.00")),
        # 5 GB, 14 more days of 30.4 at 3 cents.
        (("log group", "/service"), {"retention_days": 28}, dollars("0.07")),
        (("alarm", "cpu"), {"period": 10}, dollars("0.20")),
        (BALANCER, {"subnets": ["a", "b", "c"]}, dollars("3.65")),
        # Nobody on the internet, so neither public addresses nor 500 GB that leave.
        (BALANCER, {"scheme": "internal"}, dollars("-52.30")),
    ],
)
def test_one_changed_field_is_exactly_its_difference(
    service: State, key: tuple[str, str], fields: dict[str, Any], more: Range
) -> None:
    found = compare(service, changed(service, key, **fields))
    assert found.difference == more
    assert found.after.total - found.before.total == more


def test_a_table_adds_up(service: State) -> None:
    found = compare(service, changed(service, TEMPLATE, instance_type="c7i.large"))
    for side in (found.before, found.after):
        assert sum(side.by_resource().values(), Range()) == side.total == sum(side.by_service().values(), Range())
        assert all(line.cost.least == round(line.cost.least, 2) for line in side.lines)


def test_an_empty_account_costs_nothing_before(service: State) -> None:
    found = compare({}, service)
    assert (found.before.total, found.region) == (Range(), "us-east-1")
    assert found.difference == found.after.total
    assert cost_text.sentence(found).startswith("Cost per month: $0.00 → $")


def test_what_is_removed_is_saved(service: State) -> None:
    after = {key: fields for key, fields in service.items() if key != ("alarm", "cpu")}
    found = compare(service, after)
    assert found.difference == dollars("-0.10")
    assert "(-$0.10; with all hosts" in cost_text.sentence(found)
    assert "| `alarm cpu` | $0.10 | - | -$0.10 |" in cost_text.comment_part(found)


def test_a_name_ends_no_cell(service: State) -> None:
    part = cost_text.comment_part(compare(service, {**service, ("alarm", "a|`b`"): {"period": 60}}))
    assert "| `alarm a\\|'b'` | - | $0.10 | +$0.10 |" in part


def test_nothing_changed_is_said_so_and_lists_nothing(service: State) -> None:
    found = compare(service, service)
    assert cost_text.comment_part(found) == (
        "**Cost per month:** $220.90, unchanged (with all hosts that scaling may start $775.70)."
    )


MIXED = {
    **{"on_demand_allocation": "prioritized", "spot_allocation": "price-capacity-optimized"},
    **{"on_demand_base": 2, "on_demand_percentage": 25, "instance_types": ["c5.large", "m5.large", "c6i.large"]},
}


def test_spot_hosts_are_those_above_the_base_as_the_dearest_type(service: State) -> None:
    found = compare(service, changed(service, GROUP, mixed_instances=MIXED), spot_discount="0.5")
    lines = {line.part: line.cost for line in found.after.lines if line.service == "instances"}
    # Eight hosts above the base, a quarter of them On-Demand: 4 of 62.05, and 6 at half the price of m5.large, 35.04.
    assert lines == {
        "2 to 4 x c5.large On-Demand": dollars("124.10", "248.20"),
        "0 to 6 x m5.large Spot": dollars("0.00", "210.24"),
    }


def test_without_types_of_its_own_a_mixed_group_has_the_template_s_and_fractions_are_on_demand(service: State) -> None:
    policy = MIXED | {"instance_types": [], "on_demand_base": 0, "on_demand_percentage": 50}
    mixed = changed(service, GROUP, mixed_instances=policy, min_size=3, max_size=3)
    found = compare({}, mixed)
    assert [line.part for line in found.after.lines if line.service == "instances"] == [
        "2 x c5.large On-Demand",
        "1 x c5.large Spot",
    ]


def test_a_type_without_a_price_is_named_and_no_difference_is_claimed(service: State) -> None:
    found = compare(service, changed(service, TEMPLATE, instance_type="c9.large"))
    assert found.difference is None
    part = cost_text.comment_part(found)
    assert "the difference is not known" in part
    assert "`Auto Scaling group service`: `no price known for c9.large in us-east-1: 2 to 10 On-Demand and 0 Spot" in part
    assert "| `Auto Scaling group service` | $141.10 to $695.90 | $17.00 to $75.40 | not known |" in part
    # What has a price is counted nevertheless.
    assert found.after.by_service()["volumes"] == dollars("8.00", "40.00")


def test_a_group_whose_types_nobody_names_has_no_price(service: State) -> None:
    by_attributes = changed(service, GROUP, mixed_instances=MIXED | {"instance_types": [None]})
    assert compare(service, by_attributes).difference is None


def test_more_hosts_of_a_type_without_a_price_are_no_known_difference_either(service: State) -> None:
    unknown = changed(service, TEMPLATE, instance_type="c9.large")
    assert compare(unknown, changed(unknown, GROUP, min_size=4)).difference is None
    cheaper = changed(unknown, ("log group", "/service"), retention_days=28)
    assert compare(unknown, cheaper).difference == dollars("0.07")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"volume_type": "io2", "volume_size": 50}, "the volume /dev/xvda in us-east-1: 2 to 10 x 50 GB of io2"),
        ({"volume_type": "gp3"}, "2 to 10 x an unknown number of GB of gp3"),
    ],
)
def test_a_volume_without_a_price_is_named(service: State, fields: dict[str, Any], reason: str) -> None:
    found = compare(service, changed(service, TEMPLATE, volumes={"/dev/xvda": fields}))
    assert reason in "\n".join(cost_text.table(found))
    assert found.difference is None


def test_fast_volumes_cost_more(service: State) -> None:
    fast = {"volume_type": "gp3", "volume_size": 50, "iops": 4000, "throughput": 225}
    found = compare(service, changed(service, TEMPLATE, volumes={"/dev/xvda": fast}))
    # A thousand operations at half a cent and 100 MiB at four cents, for each host.
    assert found.difference == dollars("18.00", "90.00")


def test_a_region_without_prices_is_said(service: State) -> None:
    elsewhere = {key: fields | ({"zone": "ap-south-1a"} if key[0] == "subnet" else {}) for key, fields in service.items()}
    found = compare(elsewhere, elsewhere)
    assert cost_text.comment_part(found) == (
        "**Cost per month:** not known; `no prices known for the region ap-south-1, only for us-east-1, eu-west-1`."
    )
    nowhere = {key: fields for key, fields in service.items() if key[0] != "subnet"}
    assert "the region is not known" in cost_text.sentence(compare({}, nowhere))


def test_prices_are_those_of_the_region(service: State) -> None:
    ireland = {key: fields | ({"zone": "eu-west-1a"} if key[0] == "subnet" else {}) for key, fields in service.items()}
    # Each of two hosts: 730 hours at 1.1 cents more.
    hosts = compare({}, ireland).after.by_service()["instances"]
    assert hosts - compare({}, service).after.by_service()["instances"] == dollars("16.06", "80.30")


def test_the_nat_gateways_share_the_data(service: State) -> None:
    one = {**service, ("NAT gateway", "a"): {}, ("address", "a"): {}}
    two = {**one, ("NAT gateway", "b"): {}, ("address", "b"): {}}
    # The gateway's hours and its address; the same data goes through both.
    assert compare(one, two, nat_gb=100).difference == dollars("36.50")


def test_a_fleet_of_a_blue_green_rollout_is_of_the_shared_template(service: State) -> None:
    second = {**service, ("Auto Scaling group", "service-g"): service[GROUP]}
    assert compare(service, second).difference == compare({}, service).after.by_resource()["Auto Scaling group service"]
    del second[TEMPLATE]
    assert "its launch template is not in the plan" in "\n".join(cost_text.table(compare({}, second)))


def test_a_kind_that_nobody_has_thought_of_is_named_and_what_is_about_another_resource_is_not(service: State) -> None:
    more = {**service, ("database", "main"): {}, ("weights of", "service"): {}, ("rule 10 of", "service"): {}}
    gaps = compare({}, more).gaps
    assert [gap.resource for gap in gaps] == ["database main"]


def test_logs_that_are_kept_for_ever_are_named(service: State) -> None:
    found = compare({}, changed(service, ("log group", "/service"), retention_days=None))
    assert [gap.resource for gap in found.gaps] == ["log group /service"]


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("regions.us-east-1.balancer.hour", -1, "regions.us-east-1.balancer.hour: Input should be greater than 0"),
        ("regions.us-east-1.instances.c5.large", 0, "regions.us-east-1.instances.c5.large: Input should be"),
        ("regions.us-east-1.s3.gb_month", "cheap", "regions.us-east-1.s3.gb_month: Input should be a valid decimal"),
        ("regions.us-east-1.s3.gbmonth", 1, "regions.us-east-1.s3.gbmonth: Extra inputs are not permitted"),
        ("regions.us-east-1.as_of", None, "regions.us-east-1.as_of: Input should be a valid date"),
        ("sources.s3", None, "sources.s3: Input should be a valid string"),
    ],
)
def test_a_bad_file_of_prices_is_refused_with_place_and_fault(tmp_path: Path, path: str, value: Any, fault: str) -> None:
    data = yaml.safe_load(PRICES.read_text())
    first, *rest = path.split(".", 3)
    place = data[first]
    for key in rest[:-1]:
        place = place[key]
    place[rest[-1]] = value
    (tmp_path / "prices.yml").write_text(yaml.safe_dump(data))
    with pytest.raises(DeliveryError) as refused:
        read_prices(tmp_path / "prices.yml")
    assert fault in str(refused.value)
    assert "prices.yml" in str(refused.value)


@pytest.mark.parametrize("text", ["regions: [", "- 1", ""])
def test_a_file_of_prices_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "prices.yml").write_text(text)
    with pytest.raises(DeliveryError, match=r"prices\.yml"):
        read_prices(tmp_path / "prices.yml")


def test_every_type_that_an_inventory_names_has_a_price() -> None:
    named = {}
    for environment in environments(Path()):
        variables: dict[str, Any] = {}
        for path in variable_files(Path(), environment):
            variables |= yaml.safe_load(path.read_text())
        known = read_prices().regions[variables["aws_region"]].instances
        named |= {
            (environment, name): value in known
            for name, value in variables.items()
            if name.endswith("_instance_type") and not value.startswith("{{")
        }
        read_usage(environment)
    assert len(named) >= 8
    assert all(named.values()), named


def test_an_inventory_overrides_single_assumptions(tmp_path: Path) -> None:
    variables = tmp_path / "inventories/dev/group_vars/all"
    variables.mkdir(parents=True)
    (variables / "main.yml").write_text("env_name: dev\n")
    (variables / "cost.yml").write_text("cost_usage: {data_out_gb: 20, spot_discount: 0.7}\n")
    own, shared = read_usage("dev", tmp_path), read_usage("none", tmp_path)
    assert (own.data_out_gb, own.spot_discount, own.hours) == (20, Decimal("0.7"), shared.hours)
    for wrong, fault in (
        ("{data_out: 20}", "data_out: Extra inputs"),
        ("{hours: -1}", "hours: Input should be greater"),
        ("20", "has to be names with numbers"),
    ):
        (variables / "cost.yml").write_text(f"cost_usage: {wrong}\n")
        with pytest.raises(DeliveryError, match=fault):
            read_usage("dev", tmp_path)


def test_the_report_for_programs_has_everything(service: State) -> None:
    report = cost_text.as_json(compare(service, changed(service, TEMPLATE, instance_type="c9.large")))
    report = json.loads(json.dumps(report))
    assert report["before"]["total"] == {"least": "220.90", "most": "775.70"}
    assert (report["region"], report["difference"], report["usage"]["hours"]) == ("us-east-1", None, "730")
    assert [gap["resource"] for gap in report["after"]["not_priced"]] == ["Auto Scaling group service"]
    assert {"resource", "service", "part", "least", "most"} == set(report["before"]["lines"][0])


def test_the_comment_has_the_cost_below_the_plan(service: State) -> None:
    part = cost_text.comment_part(compare(service, changed(service, GROUP, min_size=3)))
    text = body(plan_of(THRESHOLD) | {"resources": []}, "no violations", part, "abc")
    assert text.index("## Plan") < text.index("**Cost per month:** $220.90 → $290.25 (+$69.35; with all") < text.index("Of abc")


def test_a_cost_that_is_too_long_is_left_out() -> None:
    assert len(body(plan_of(THRESHOLD) | {"resources": []}, "", "x" * LIMIT, "abc")) < 5_000


def test_many_resources_do_not_fill_the_comment(service: State) -> None:
    many = {**service, **{("alarm", f"alarm-{number}"): {"period": 60} for number in range(500)}}
    part = cost_text.comment_part(compare(service, many))
    assert len(part) < 5_000
    assert "470 more are in the JSON of `make cost`" in part


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: State) -> Path:
    """A work tree in which `make plan` has run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    directory = tmp_path / ".cache/plan/staging"
    directory.mkdir(parents=True)
    resources = [
        {"kind": kind, "name": name, "before": fields, "after": fields | ({"min_size": 3} if (kind, name) == GROUP else {})}
        for (kind, name), fields in service.items()
    ]
    (directory / "plan.json").write_text(json.dumps(plan_of(THRESHOLD) | {"resources": resources}))
    (directory / "plan.md").write_text("## Plan: staging")
    return directory


def test_the_commands_show_it_and_write_it(written: Path) -> None:
    done = CliRunner().invoke(main, ["cost", "--env", "staging"])
    assert done.exit_code == 0, done.output
    assert "staging: Cost per month: $220.90 → $290.25 (+$69.35; with all hosts that scaling may start $775.70" in done.output
    assert json.loads((written / "cost.json").read_text())["difference"] == {"least": "69.35", "most": "0.00"}
    assert CliRunner().invoke(main, ["comment", "--env", "staging"]).exit_code == 0
    assert "**Cost per month:** $220.90 → $290.25" in (written / "comment.md").read_text()


def test_a_wrong_assumption_keeps_no_plan_from_its_reviewers(written: Path) -> None:
    variables = Path("inventories/staging/group_vars/all")
    variables.mkdir(parents=True)
    (variables / "cost.yml").write_text("cost_usage: {hours: never}\n")
    refused = CliRunner().invoke(main, ["cost", "--env", "staging"])
    assert (refused.exit_code, "hours: Input should be a valid decimal" in refused.output) == (1, True)
    assert CliRunner().invoke(main, ["comment", "--env", "staging"]).exit_code == 0
    assert "**Cost per month:** not known; " in (written / "comment.md").read_text()
