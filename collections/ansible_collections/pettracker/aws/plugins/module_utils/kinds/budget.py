"""Monthly budgets of AWS Budgets, with who is notified when.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html, API_budgets_Expression.html and
API_budgets_Notification.html. A notification is known by when it is sent: `ACTUAL GREATER_THAN 80 PERCENTAGE`.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from ..refusals import unless_gone
from ..state import State, differences, tag_changes, tags_to_dict, tags_to_list
from . import budget_requests as requests
from .fields import IDENTITY, META, STATUS, TIME, UNSET, Answer, Default, Ignored, Marks, Nobodys, compared, each
from .finding import pages
from .kind import Answers, Client, Clients, Grant, Kind, Owned, Scope, iso_time

UNIT = "USD"
PERIOD = "MONTHLY"
# What is billed, before it is spread over the months of a reservation. A budget with a filter and without a metric is taken and
# never counts anything ("Selected metrics cannot be null": hashicorp/terraform-provider-aws#46866).
METRICS = ("UnblendedCost",)
# When a budget ends that nobody ended: "AWS set your end date to 06/15/87 00:00 UTC", API_budgets_TimePeriod.html
NEVER = 3706473600
# The view of all costs of the account, which is meant where none is named.
PRIMARY_VIEW = ":billingview/primary"

# Anybody's, and the environment's own.
ANY = "arn:{partition}:budgets::{account}:budget/*"
OWN = "arn:{partition}:budgets::{account}:budget/{prefix}-*"
# As many as DescribeBudgets gives in one page.
AT_ONCE = {"PageSize": 1000}
BUDGET: Marks = {
    "BudgetName": IDENTITY,
    **compared(limit="BudgetLimit", period="TimeUnit", type="BudgetType", cost_tags="FilterExpression", metrics="Metrics"),
    **compared(billing_view="BillingViewArn"),
    **each(UNSET, "PlannedBudgetLimits CostFilters"),
    # https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_CostTypes.html
    "CostTypes": {
        **each(Default(True), "IncludeTax IncludeSubscription IncludeRefund IncludeCredit IncludeUpfront IncludeRecurring"),
        **each(Default(True), "IncludeOtherSubscription IncludeSupport IncludeDiscount"),
        **each(Default(False), "UseBlended UseAmortized"),
    },
    "TimePeriod": {"Start": Ignored("when its first month began; every month is counted anew"), **compared(ends="End")},
    **each(STATUS, "CalculatedSpend HealthStatus"),
    "LastUpdatedTime": TIME,
    "AutoAdjustData": {
        "AutoAdjustType": UNSET,
        "HistoricalOptions": {"BudgetAdjustmentPeriod": UNSET, "LookBackAvailablePeriods": STATUS},
        "LastAutoAdjustTime": TIME,
    },
}
NOTIFICATIONS_FOR_BUDGET: Marks = {
    **compared(notifications="NotificationType ComparisonOperator Threshold ThresholdType"),
    "NotificationState": STATUS,
}
SUBSCRIBERS_FOR_NOTIFICATION: Marks = {
    "Subscribers": {"SubscriptionType": Ignored("follows from the form of the address"), **compared(notifications="Address")},
    "NextToken": META,
}
BUDGET_ACTIONS_FOR_BUDGET: Marks = {"Actions": Nobodys("budget action", "ActionId"), "NextToken": META}


class Budget(Kind):
    """Tells what an environment costs. Known by its name within its account, for which Budgets asks in each call."""

    name = "budget"
    service = "budgets"
    free = "it has no actions"
    answers = (
        Answer("DescribeBudget", "Budget", BUDGET),
        Answer("DescribeNotificationsForBudget", "Notifications", NOTIFICATIONS_FOR_BUDGET, many=True),
        # One for each notification, in their order.
        Answer("DescribeSubscribersForNotification", "", SUBSCRIBERS_FOR_NOTIFICATION, many=True),
        Answer("DescribeBudgetActionsForBudget", "", BUDGET_ACTIONS_FOR_BUDGET),
        Answer("ListTagsForResource", "", compared(tags="ResourceTags")),
    )
    samples: ClassVar = {"DescribeBudget.BudgetLimit.Amount": ("100", "250")}
    look = (Grant("budgets", "DescribeBudgetActionsForBudget ListTagsForResource ViewBudget", (ANY,)),)
    change = (Grant("budgets", "ModifyBudget TagResource UntagResource", (OWN,)),)
    removal = (Grant("budgets", "ModifyBudget", (OWN,)),)

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        # A list has no tags, and the Resource Groups Tagging API knows no budgets. So tags are read one by one, only of those
        # that the workflows' roles may remove by their names: there may be thousands of other people's.
        client, account = clients("budgets"), _account(clients)
        for budget in _all(client, "describe_budgets", "Budgets", {"AccountId": account, "PaginationConfig": AT_ONCE}):
            name = budget["BudgetName"]
            if not name.startswith(scope.prefix):
                continue
            answer: Any = unless_gone(partial(_tags, client, account, name), {})
            if scope.carried_by(answer.get("ResourceTags") or []):
                yield Owned(name)

    def remove(self, clients: Clients, identity: str) -> None:
        clients("budgets").delete_budget(AccountId=_account(clients), BudgetName=identity)

    def read(self, clients: Clients, account: str, name: str) -> Answers:
        """Returns AWS's answers about one; nothing where there is none."""
        client = clients("budgets")
        own = {"AccountId": account, "BudgetName": name}
        # Without this word AWS answers with everything but the filter.
        answer: Any = unless_gone(lambda: client.describe_budget(**own, ShowFilterExpression=True), {})
        if not answer:
            return {}
        notifications = _all(client, "describe_notifications_for_budget", "Notifications", own)
        of_each = [own | {"Notification": requests.notification_identity(item)} for item in notifications]
        subscribers = [_all(client, "describe_subscribers_for_notification", "Subscribers", one) for one in of_each]
        actions = list(pages(client, "describe_budget_actions_for_budget", "Actions", **own))
        return {
            "DescribeBudget": answer["Budget"],
            "DescribeNotificationsForBudget": notifications,
            "DescribeSubscribersForNotification": [{"Subscribers": ones} for ones in subscribers],
            "DescribeBudgetActionsForBudget": {"Actions": actions},
            "ListTagsForResource": _tags(client, account, name),
        }

    def state(self, answers: Answers) -> State:
        budget = answers["DescribeBudget"]
        limit, view = budget.get("BudgetLimit") or {}, budget.get("BillingViewArn") or ""
        end = (budget.get("TimePeriod") or {}).get("End")
        notified = zip(answers["DescribeNotificationsForBudget"], answers["DescribeSubscribersForNotification"], strict=True)
        return {
            "limit": {"amount": float(limit.get("Amount", 0)), "unit": limit.get("Unit")},
            "type": budget["BudgetType"],
            "period": budget["TimeUnit"],
            "ends": None if end is None or end.timestamp() == NEVER else iso_time(end),
            "metrics": budget.get("Metrics") or list(METRICS),
            "cost_tags": requests.cost_tags(budget.get("FilterExpression") or {}),
            "billing_view": None if view.endswith(PRIMARY_VIEW) else view or None,
            "notifications": {
                requests.notification_key(item): sorted(one["Address"] for one in answer.get("Subscribers") or [])
                for item, answer in notified
            },
            "tags": tags_to_dict(answers["ListTagsForResource"].get("ResourceTags") or []),
        }

    def wanted(self, entry: Mapping[str, Any]) -> State:
        """Returns the module's parameters in the fields of `state`."""
        subscribers = sorted(entry["subscribers"])
        keys = [f"{item['type'].upper()} GREATER_THAN {item['percent']:g} PERCENTAGE" for item in entry["notifications"]]
        return {
            "limit": {"amount": float(entry["limit"]), "unit": UNIT},
            "type": "COST",
            "period": PERIOD,
            "ends": None,
            "metrics": list(METRICS),
            "cost_tags": {key: str(value) for key, value in entry["cost_tags"].items()},
            "billing_view": None,
            "notifications": dict.fromkeys(keys, subscribers) if subscribers else {},
            "tags": dict(entry["tags"]),
        }

    def apply(self, clients: Clients, account: str, name: str, wanted: State, *, found: State | None, answers: Answers) -> None:
        """Makes the calls that make or correct one."""
        client = clients("budgets")
        budget = requests.budget_request(name, wanted)
        if found is None:
            client.create_budget(AccountId=account, Budget=budget, ResourceTags=tags_to_list(wanted["tags"]))
            found = wanted | {"notifications": {}}
        fields = set(differences(wanted, found))
        if fields - {"notifications", "tags"}:
            period = answers["DescribeBudget"].get("TimePeriod") or {}
            budget |= {"TimePeriod": period | {"End": NEVER}} if period else {}
            if "billing_view" in fields:
                budget["BillingViewArn"] = f"arn:{client.meta.partition}:billing::{account}{PRIMARY_VIEW}"
            client.update_budget(AccountId=account, NewBudget=budget)
        _notify(client, {"AccountId": account, "BudgetName": name}, wanted["notifications"], found["notifications"])
        added, gone = tag_changes(wanted["tags"], found["tags"])
        if added:
            client.tag_resource(ResourceARN=_arn(client, account, name), ResourceTags=tags_to_list(added))
        if gone:
            client.untag_resource(ResourceARN=_arn(client, account, name), ResourceTagKeys=gone)


def _account(clients: Clients) -> str:
    return str(clients("sts").get_caller_identity()["Account"])


def _arn(client: Client, account: str, name: str) -> str:
    return f"arn:{client.meta.partition}:budgets::{account}:budget/{name}"


def _tags(client: Client, account: str, name: str) -> Any:
    return client.list_tags_for_resource(ResourceARN=_arn(client, account, name))


def _all(client: Client, operation: str, key: str, parameters: Mapping[str, Any]) -> list[Any]:
    """Returns what all pages hold; Budgets leaves the key out of an empty one."""
    return [item for page in client.get_paginator(operation).paginate(**parameters) for item in page.get(key) or []]


def _notify(client: Client, own: dict[str, str], wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for key in sorted(found):
        if found[key] != wanted.get(key):
            client.delete_notification(**own, Notification=requests.notification_request(key))
    for key in sorted(wanted):
        if wanted[key] != found.get(key):
            subscribers = requests.subscribers_request(wanted[key])
            client.create_notification(**own, Notification=requests.notification_request(key), Subscribers=subscribers)
