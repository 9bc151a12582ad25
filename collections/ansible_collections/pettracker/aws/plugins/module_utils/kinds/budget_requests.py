"""A budget, its filter and its notifications as the calls of AWS Budgets take them. Pure functions only."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def cost_tags(expression: Mapping[str, Any]) -> dict[str, str]:
    """Returns the tags of a filter that asks for some, all of them; another filter as a text, which differs from any."""
    parts = expression.get("And", [expression])
    if not all(set(part) == {"Tags"} and len(part["Tags"].get("Values", [])) == 1 for part in parts):
        return {"another filter": json.dumps(expression, sort_keys=True)}
    return {part["Tags"]["Key"]: part["Tags"]["Values"][0] for part in parts}


def budget_request(name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the Budget of CreateBudget, and the NewBudget of UpdateBudget."""
    tags = sorted(wanted["cost_tags"].items())
    parts = [{"Tags": {"Key": key, "Values": [value], "MatchOptions": ["EQUALS"]}} for key, value in tags]
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


def notification_identity(notification: Mapping[str, Any]) -> dict[str, Any]:
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
    sent = {"NotificationType": kind, "ComparisonOperator": comparison}
    return sent | {"Threshold": float(threshold), "ThresholdType": unit}


def subscribers_request(addresses: list[str]) -> list[dict[str, str]]:
    """Returns subscribers as Budgets takes them."""
    return [{"SubscriptionType": "SNS" if address.startswith("arn:") else "EMAIL", "Address": address} for address in addresses]
