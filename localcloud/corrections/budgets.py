"""AWS Budgets: changing a budget, its filter, its tags, and who is notified, none of which moto knows.

The pages that are named are of https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/.
"""

from __future__ import annotations

import json
from typing import Any

from moto.budgets.exceptions import NotFoundException
from moto.budgets.models import Budget
from moto.budgets.responses import BudgetsResponse
from moto.core.exceptions import JsonRESTError
from moto.core.utils import unix_time

from localcloud.corrections.patching import addition, correction


def apply() -> None:
    """Add UpdateBudget, DescribeSubscribersForNotification and the calls about tags; show a filter to who asks for it."""
    _add_updates()
    _add_tags()

    @correction(BudgetsResponse, "describe_budget")
    def hide_the_filter(original: Any, self: Any) -> str:
        # API_budgets_DescribeBudget.html, ShowFilterExpression.
        budget = json.loads(original(self))["Budget"]
        if not self._get_param("ShowFilterExpression"):
            budget.pop("FilterExpression", None)
        return json.dumps({"Budget": budget})


def _check(budget: dict[str, Any]) -> None:
    # AWS takes such a budget, and never counts anything for it: Cost Explorer says that "Selected metrics cannot be null"
    # (hashicorp/terraform-provider-aws#46866). Nobody sees that in a rehearsal, where nothing costs anything: so it is refused.
    if budget.get("FilterExpression") and not budget.get("Metrics"):
        raise JsonRESTError("InvalidParameterException", "Selected metrics cannot be null: a filter needs Metrics.")


def _add_updates() -> None:
    @addition(BudgetsResponse, "update_budget")
    def update_budget(self: Any) -> str:
        # API_budgets_UpdateBudget.html: notifications and their subscribers stay; so does what AWS has calculated.
        new = self._get_param("NewBudget")
        _check(new)
        budget = _named(self, self._get_param("AccountId"), new["BudgetName"])
        kept = {key: budget.budget[key] for key in ("TimePeriod",) if key in budget.budget}
        budget.budget = kept | new | {"LastUpdatedTime": unix_time()}
        return json.dumps({})

    @addition(BudgetsResponse, "describe_subscribers_for_notification")
    def describe_subscribers(self: Any) -> str:
        # API_budgets_DescribeSubscribersForNotification.html
        budget = _named(self, self._get_param("AccountId"), self._get_param("BudgetName"))
        asked = self._get_param("Notification")
        for notification in budget.notifications:
            if notification.details == asked:
                return json.dumps({"Subscribers": notification.subscribers})
        raise NotFoundException("Unable to get subscribers - the notification doesn't exist.")


def _add_tags() -> None:
    @correction(BudgetsResponse, "create_budget")
    def with_tags(original: Any, self: Any) -> str:
        # API_budgets_CreateBudget.html: ResourceTags.
        _check(self._get_param("Budget"))
        answer: str = original(self)
        budget = _named(self, self._get_param("AccountId"), self._get_param("Budget")["BudgetName"])
        _tags(budget).update(_as_dict(self._get_param("ResourceTags", [])))
        return answer

    @addition(BudgetsResponse, "list_tags_for_resource")
    def list_tags(self: Any) -> str:
        # API_budgets_ListTagsForResource.html
        tags = _tags(_by_arn(self, self._get_param("ResourceARN")))
        return json.dumps({"ResourceTags": [{"Key": key, "Value": value} for key, value in tags.items()]})

    @addition(BudgetsResponse, "tag_resource")
    def tag(self: Any) -> str:
        # API_budgets_TagResource.html
        _tags(_by_arn(self, self._get_param("ResourceARN"))).update(_as_dict(self._get_param("ResourceTags")))
        return json.dumps({})

    @addition(BudgetsResponse, "untag_resource")
    def untag(self: Any) -> str:
        # API_budgets_UntagResource.html
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


def _as_dict(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
