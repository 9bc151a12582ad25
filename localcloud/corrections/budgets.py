"""AWS Budgets: changing a budget, its filter, its tags, its actions, and who is notified, none of which moto knows."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from moto.budgets.exceptions import NotFoundException
from moto.budgets.models import Budget
from moto.budgets.responses import BudgetsResponse
from moto.core.exceptions import JsonRESTError
from moto.core.utils import unix_time

from localcloud.corrections.patching import NOT_REPORTED, Difference, Seam, addition, correction

if TYPE_CHECKING:
    from localcloud.account import Account

API = "https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/"
FILTER = Difference(
    "shows the filter of a budget to whoever asks for the budget",
    aws=API + "API_budgets_DescribeBudget.html",
    upstream=NOT_REPORTED,
)
UPDATES = Difference("lacks UpdateBudget", aws=API + "API_budgets_UpdateBudget.html", upstream=NOT_REPORTED)
SUBSCRIBERS = Difference(
    "lacks DescribeSubscribersForNotification",
    aws=API + "API_budgets_DescribeSubscribersForNotification.html",
    upstream=NOT_REPORTED,
)
TAGS = Difference(
    "lacks the tags of budgets, when they are made and afterwards",
    aws=API + "API_budgets_TagResource.html",
    upstream=NOT_REPORTED,
)
ACTIONS = Difference(
    "lacks the actions of budgets", aws=API + "API_budgets_DescribeBudgetActionsForBudget.html", upstream=NOT_REPORTED
)
# AWS takes such a budget, and never counts anything for it: Cost Explorer says that "Selected metrics cannot be null"
# (hashicorp/terraform-provider-aws#46866).
NEVER_COUNTED = Seam("nothing costs anything here, so that nobody would see that a filter without Metrics counts nothing")


def apply(_account: Account) -> None:
    """Add UpdateBudget, DescribeSubscribersForNotification and the calls about actions and tags; show a filter to who asks."""
    _add_updates()
    _add_actions()
    _add_tags()

    @correction(BudgetsResponse, "describe_budget", FILTER)
    def hide_the_filter(original: Any, self: Any) -> str:
        budget = json.loads(original(self))["Budget"]
        if not self._get_param("ShowFilterExpression"):
            budget.pop("FilterExpression", None)
        return json.dumps({"Budget": budget})


def _check(budget: dict[str, Any]) -> None:
    if budget.get("FilterExpression") and not budget.get("Metrics"):
        raise JsonRESTError("InvalidParameterException", "Selected metrics cannot be null: a filter needs Metrics.")


def _add_updates() -> None:
    @addition(BudgetsResponse, "update_budget", UPDATES, NEVER_COUNTED)
    def update_budget(self: Any) -> str:
        # Notifications and their subscribers stay; so does what AWS has calculated.
        new = self._get_param("NewBudget")
        _check(new)
        budget = _named(self, self._get_param("AccountId"), new["BudgetName"])
        kept = {key: budget.budget[key] for key in ("TimePeriod",) if key in budget.budget}
        budget.budget = kept | new | {"LastUpdatedTime": unix_time()}
        return json.dumps({})

    @addition(BudgetsResponse, "describe_subscribers_for_notification", SUBSCRIBERS)
    def describe_subscribers(self: Any) -> str:
        budget = _named(self, self._get_param("AccountId"), self._get_param("BudgetName"))
        asked = self._get_param("Notification")
        for notification in budget.notifications:
            if notification.details == asked:
                return json.dumps({"Subscribers": notification.subscribers})
        raise NotFoundException("Unable to get subscribers - the notification doesn't exist.")


def _add_actions() -> None:
    @addition(BudgetsResponse, "create_budget_action", ACTIONS)
    def create_action(self: Any) -> str:
        budget = _named(self, self._get_param("AccountId"), self._get_param("BudgetName"))
        action = {key: value for key, value in json.loads(self.body).items() if key not in ("AccountId", "ResourceTags")}
        action |= {"ActionId": str(uuid.uuid4()), "Status": "STANDBY"}
        _actions(budget).append(action)
        named = {key: self._get_param(key) for key in ("AccountId", "BudgetName")}
        return json.dumps(named | {"ActionId": action["ActionId"]})

    @addition(BudgetsResponse, "describe_budget_actions_for_budget", ACTIONS)
    def describe_actions(self: Any) -> str:
        budget = _named(self, self._get_param("AccountId"), self._get_param("BudgetName"))
        return json.dumps({"Actions": _actions(budget)})


def _add_tags() -> None:
    @correction(BudgetsResponse, "create_budget", TAGS, NEVER_COUNTED)
    def with_tags(original: Any, self: Any) -> str:
        _check(self._get_param("Budget"))
        answer: str = original(self)
        budget = _named(self, self._get_param("AccountId"), self._get_param("Budget")["BudgetName"])
        _tags(budget).update(_as_dict(self._get_param("ResourceTags", [])))
        return answer

    @addition(BudgetsResponse, "list_tags_for_resource", TAGS)
    def list_tags(self: Any) -> str:
        tags = _tags(_by_arn(self, self._get_param("ResourceARN")))
        return json.dumps({"ResourceTags": [{"Key": key, "Value": value} for key, value in tags.items()]})

    @addition(BudgetsResponse, "tag_resource", TAGS)
    def tag(self: Any) -> str:
        _tags(_by_arn(self, self._get_param("ResourceARN"))).update(_as_dict(self._get_param("ResourceTags")))
        return json.dumps({})

    @addition(BudgetsResponse, "untag_resource", TAGS)
    def untag(self: Any) -> str:
        tags = _tags(_by_arn(self, self._get_param("ResourceARN")))
        for key in self._get_param("ResourceTagKeys"):
            tags.pop(key, None)
        return json.dumps({})


def _named(response: Any, account: str, name: str) -> Budget:
    budget: Budget | None = response.backend.budgets[account].get(name)
    if budget is None:
        raise NotFoundException(f"Unable to get budget: {name} - the budget doesn't exist.")
    return budget


def _by_arn(response: Any, arn: str) -> Budget:
    account, name = arn.split(":")[4], arn.rpartition(":budget/")[2]
    return _named(response, account, name)


def _tags(budget: Any) -> dict[str, str]:
    if not hasattr(budget, "resource_tags"):
        budget.resource_tags = {}
    tags: dict[str, str] = budget.resource_tags
    return tags


def _actions(budget: Any) -> list[dict[str, Any]]:
    if not hasattr(budget, "actions"):
        budget.actions = []
    actions: list[dict[str, Any]] = budget.actions
    return actions


def _as_dict(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
