"""AWS Budgets: what is changed, tagged and subscribed is what is described."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import settings as constants
from tests.localcloud.conftest import Cloud

OWN = {"AccountId": constants.ACCOUNT_ID, "BudgetName": "monthly"}
ARN = f"arn:aws:budgets::{constants.ACCOUNT_ID}:budget/monthly"
NOTIFICATION: dict[str, Any] = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0}
SUBSCRIBER = {"SubscriptionType": "EMAIL", "Address": "ann@example.com"}


def budget(amount: str) -> dict[str, Any]:
    limit = {"Amount": amount, "Unit": "USD"}
    return {"BudgetName": "monthly", "BudgetType": "COST", "TimeUnit": "MONTHLY", "BudgetLimit": limit}


@pytest.fixture
def budgets(cloud: Cloud) -> Any:
    client = cloud.client("budgets")
    client.create_budget(
        AccountId=constants.ACCOUNT_ID,
        Budget=budget("100"),
        NotificationsWithSubscribers=[{"Notification": NOTIFICATION, "Subscribers": [SUBSCRIBER]}],
        ResourceTags=[{"Key": "Project", "Value": "pettracker"}],
    )
    return client


def test_a_new_limit_leaves_notifications_and_period(budgets: Any) -> None:
    before = budgets.describe_budget(**OWN)["Budget"]
    budgets.update_budget(AccountId=constants.ACCOUNT_ID, NewBudget=budget("250"))
    after = budgets.describe_budget(**OWN)["Budget"]
    assert (after["BudgetLimit"]["Amount"], after["TimePeriod"]) == ("250", before["TimePeriod"])
    found = budgets.describe_subscribers_for_notification(**OWN, Notification=NOTIFICATION)
    assert found["Subscribers"] == [SUBSCRIBER]


FILTER = {"Tags": {"Key": "Project", "Values": ["pettracker"], "MatchOptions": ["EQUALS"]}}


def test_a_filter_is_shown_to_who_asks_for_it(budgets: Any) -> None:
    new = budget("100") | {"FilterExpression": FILTER, "Metrics": ["UnblendedCost"]}
    budgets.update_budget(AccountId=constants.ACCOUNT_ID, NewBudget=new)
    assert "FilterExpression" not in budgets.describe_budget(**OWN)["Budget"]
    assert budgets.describe_budget(**OWN, ShowFilterExpression=True)["Budget"]["FilterExpression"] == FILTER


@pytest.mark.parametrize("call", ["create_budget", "update_budget"])
def test_a_filter_without_a_metric_which_aws_takes_and_never_counts_is_refused(budgets: Any, call: str) -> None:
    name = "Budget" if call == "create_budget" else "NewBudget"
    without = budget("100") | {"FilterExpression": FILTER}
    with pytest.raises(ClientError, match="Selected metrics cannot be null"):
        getattr(budgets, call)(AccountId=constants.ACCOUNT_ID, **{name: without})


def test_tags_are_those_that_it_was_made_with_and_those_that_were_added(budgets: Any) -> None:
    budgets.tag_resource(ResourceARN=ARN, ResourceTags=[{"Key": "Owner", "Value": "ann"}])
    budgets.untag_resource(ResourceARN=ARN, ResourceTagKeys=["Project", "Missing"])
    assert budgets.list_tags_for_resource(ResourceARN=ARN)["ResourceTags"] == [{"Key": "Owner", "Value": "ann"}]


def test_what_is_not_there_cannot_be_asked_about(budgets: Any) -> None:
    with pytest.raises(ClientError, match="NotFoundException"):
        budgets.update_budget(AccountId=constants.ACCOUNT_ID, NewBudget=budget("1") | {"BudgetName": "another"})
    with pytest.raises(ClientError, match="NotFoundException"):
        budgets.list_tags_for_resource(ResourceARN=ARN + "-2")
    with pytest.raises(ClientError, match="NotFoundException"):
        asked = NOTIFICATION | {"Threshold": 90.0}
        budgets.describe_subscribers_for_notification(**OWN, Notification=asked)
