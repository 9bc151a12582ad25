"""A monthly budget as wanted and as AWS Budgets describes it. Pure functions only.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html, API_budgets_Expression.html and
API_budgets_Notification.html. A notification is known by when it is sent: `ACTUAL GREATER_THAN 80 PERCENTAGE`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.state import tags_to_dict

UNIT = "USD"
PERIOD = "MONTHLY"
# What is billed, before it is spread over the months of a reservation. A budget with a filter and without a metric is taken and
# never counts anything ("Selected metrics cannot be null": hashicorp/terraform-provider-aws#46866).
METRICS = ("UnblendedCost",)


def wanted_state(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the module's parameters in the fields of `found_state`."""
    subscribers = sorted(parameters["subscribers"])
    keys = [
        f"{item['type'].upper()} GREATER_THAN {item['percent']:g} PERCENTAGE" for item in parameters["notifications"]
    ]
    return {
        "limit": {"amount": float(parameters["limit"]), "unit": UNIT},
        "type": "COST",
        "period": PERIOD,
        "metrics": list(METRICS),
        "cost_tags": {key: str(value) for key, value in parameters["cost_tags"].items()},
        "notifications": dict.fromkeys(keys, subscribers) if subscribers else {},
        "tags": dict(parameters["tags"]),
    }


def found_state(budget: Mapping[str, Any], notifications: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns a budget as AWS describes it, with `Tags`, and its notifications with the addresses of their `Subscribers`."""
    limit = budget.get("BudgetLimit", {})
    return {
        "limit": {"amount": float(limit.get("Amount", 0)), "unit": limit.get("Unit")},
        "type": budget["BudgetType"],
        "period": budget["TimeUnit"],
        "metrics": budget.get("Metrics", list(METRICS)),
        "cost_tags": _cost_tags(budget.get("FilterExpression") or {}),
        "notifications": {notification_key(item): sorted(item["Subscribers"]) for item in notifications},
        "tags": tags_to_dict(budget["Tags"]),
    }


def _cost_tags(expression: Mapping[str, Any]) -> dict[str, str]:
    """Returns the tags of a filter that asks for some, all of them; another filter as a text, which differs from any."""
    parts = expression.get("And", [expression])
    if not all(set(part) == {"Tags"} and len(part["Tags"].get("Values", [])) == 1 for part in parts):
        return {"another filter": json.dumps(expression, sort_keys=True)}
    return {part["Tags"]["Key"]: part["Tags"]["Values"][0] for part in parts}


def budget_request(name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the Budget of CreateBudget, and the NewBudget of UpdateBudget."""
    parts = [
        {"Tags": {"Key": key, "Values": [value], "MatchOptions": ["EQUALS"]}}
        for key, value in sorted(wanted["cost_tags"].items())
    ]
    return {
        "BudgetName": name,
        "BudgetType": wanted["type"],
        "TimeUnit": wanted["period"],
        "BudgetLimit": {"Amount": _plain(wanted["limit"]["amount"]), "Unit": wanted["limit"]["unit"]},
        "Metrics": wanted["metrics"],
        "FilterExpression": {"And": parts} if len(parts) > 1 else parts[0],
    }


def _plain(amount: float) -> str:
    """Returns an amount as Budgets takes it: without an exponent, however large it is."""
    return f"{Decimal(str(amount)):f}"


def identity(notification: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what tells a notification from others of its budget, without the state that it is in."""
    fields = ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")
    return {field: notification[field] for field in fields if field in notification}


def notification_key(notification: Mapping[str, Any]) -> str:
    """Returns the text by which a notification is known."""
    threshold = f"{notification['Threshold']:g} {notification.get('ThresholdType', 'PERCENTAGE')}"
    return f"{notification['NotificationType']} {notification['ComparisonOperator']} {threshold}"


def notification_request(key: str) -> dict[str, Any]:
    """Returns the notification that is known by a text."""
    kind, comparison, threshold, unit = key.split()
    return {
        **{"NotificationType": kind, "ComparisonOperator": comparison},
        **{"Threshold": float(threshold), "ThresholdType": unit},
    }


def subscribers_request(addresses: list[str]) -> list[dict[str, str]]:
    """Returns subscribers as Budgets takes them."""
    return [
        {"SubscriptionType": "SNS" if address.startswith("arn:") else "EMAIL", "Address": address}
        for address in addresses
    ]
