"""A budget is made once, corrected by field, looked at only in check mode, and found by the teardown."""

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Scope
from ansible_collections.pettracker.aws.plugins.module_utils.owned_resources import identities, listed, remove
from ansible_collections.pettracker.aws.plugins.module_utils.plan.changes import changes_of

from tests.plan.world import ACCOUNT
from tests.plugins.loading import FakeModule, load

Client = Callable[[str], Any]
TAGS = {"Project": "pettracker", "Environment": "dev"}
OWN = {"AccountId": ACCOUNT, "BudgetName": "pettracker-dev-monthly"}
AT_80 = {
    **{"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN"},
    **{"Threshold": 80.0, "ThresholdType": "PERCENTAGE"},
}
WANTED: dict[str, Any] = {
    **{"account_id": ACCOUNT, "name": "pettracker-dev-monthly", "limit": 150.0, "cost_tags": TAGS, "tags": TAGS},
    "notifications": [{"type": "actual", "percent": 80.0}, {"type": "forecasted", "percent": 80.0}],
    "subscribers": ["ann@example.com", f"arn:aws:sns:us-east-1:{ACCOUNT}:costs"],
}


def run(client: Client, check_mode: bool = False, **changed: Any) -> set[str]:
    """Run the module, and return the fields that it says it changes."""
    module = FakeModule(WANTED | changed, check_mode)
    module.client = lambda service, _=None: client(service)  # type: ignore[method-assign]
    result: dict[str, Any] = load("modules", "cost_budget").run(module)
    assert result["managed"] == {"budget": ["pettracker-dev-monthly"]}
    changes = changes_of(result, "task")
    assert result["changed"] == bool(changes)
    return {item.path for change in changes for item in change.fields}


def test_a_budget_is_announced_made_and_left_alone(client: Client) -> None:
    budgets = client("budgets")
    announced = run(client, check_mode=True)
    assert budgets.describe_budgets(AccountId=ACCOUNT)["Budgets"] == []
    assert {"limit.amount", "cost_tags.Project", "notifications.ACTUAL GREATER_THAN 80 PERCENTAGE"} <= announced
    assert run(client) == announced
    assert run(client, check_mode=True) == run(client) == set()
    budget = budgets.describe_budget(**OWN, ShowFilterExpression=True)["Budget"]
    assert (budget["BudgetLimit"], budget["TimeUnit"]) == ({"Amount": "150.0", "Unit": "USD"}, "MONTHLY")
    assert budget["Metrics"] == ["UnblendedCost"]
    assert [part["Tags"]["Key"] for part in budget["FilterExpression"]["And"]] == ["Environment", "Project"]
    subscribers = budgets.describe_subscribers_for_notification(**OWN, Notification=AT_80)["Subscribers"]
    assert [item["SubscriptionType"] for item in subscribers] == ["EMAIL", "SNS"]


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"limit": 99.5}, {"limit.amount"}),
        ({"limit": 2_500_000.0}, {"limit.amount"}),
        ({"cost_tags": {"Project": "pettracker"}}, {"cost_tags.Environment"}),
        ({"tags": {"Project": "pettracker", "Owner": "ann"}}, {"tags.Environment", "tags.Owner"}),
        (
            {"notifications": [{"type": "actual", "percent": 90.0}, {"type": "forecasted", "percent": 80.0}]},
            {f"notifications.ACTUAL GREATER_THAN {percent} PERCENTAGE" for percent in (80, 90)},
        ),
        (
            {"subscribers": ["bob@example.com"]},
            {f"notifications.{kind} GREATER_THAN 80 PERCENTAGE" for kind in ("ACTUAL", "FORECASTED")},
        ),
    ],
)
def test_one_variable_is_one_field(client: Client, changed: dict[str, Any], fields: set[str]) -> None:
    run(client)
    assert run(client, check_mode=True, **changed) == run(client, **changed) == fields
    assert run(client, **changed) == set()


def test_what_is_changed_by_hand_is_named_and_repaired(client: Client) -> None:
    run(client)
    budgets = client("budgets")
    budget = budgets.describe_budget(**OWN)["Budget"]
    new = {key: budget[key] for key in ("BudgetName", "BudgetType", "TimeUnit")}
    everything = {"Dimensions": {"Key": "REGION", "Values": ["us-east-1"]}}
    limit = {"Amount": "9999", "Unit": "USD"}
    changed = {"BudgetLimit": limit, "FilterExpression": everything, "Metrics": ["BlendedCost"]}
    budgets.update_budget(AccountId=ACCOUNT, NewBudget=new | changed)
    budgets.delete_notification(**OWN, Notification=AT_80)
    assert run(client, check_mode=True) == {
        *("limit.amount", "metrics", "cost_tags.Project", "cost_tags.Environment", "cost_tags.another filter"),
        "notifications.ACTUAL GREATER_THAN 80 PERCENTAGE",
    }
    run(client)
    assert run(client, check_mode=True) == set()
    assert budgets.describe_budget(**OWN)["Budget"]["TimePeriod"] == budget["TimePeriod"]


def test_the_teardown_finds_and_removes_only_its_own(client: Client) -> None:
    run(client)
    other = FakeModule(WANTED | {"name": "pettracker-dev-2-monthly", "tags": TAGS | {"Environment": "dev-2"}}, False)
    other.client = lambda service, _=None: client(service)  # type: ignore[method-assign]
    load("modules", "cost_budget").run(other)
    assert identities(listed(client, Scope(TAGS))) == {"budget": ["pettracker-dev-monthly"]}
    assert remove(client, Scope(TAGS)) == {}
    assert [item["BudgetName"] for item in client("budgets").describe_budgets(AccountId=ACCOUNT)["Budgets"]] == [
        "pettracker-dev-2-monthly"
    ]
