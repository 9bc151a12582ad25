#!/usr/bin/python
"""Keeps a monthly budget of AWS Budgets as it should be."""

from __future__ import annotations

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.cost_budget import (
    budget_request,
    found_state,
    identity,
    notification_request,
    subscribers_request,
    wanted_state,
)
from ansible_collections.pettracker.aws.plugins.module_utils.module import run_module
from ansible_collections.pettracker.aws.plugins.module_utils.state import (
    as_diff,
    differences,
    error_code,
    tag_changes,
    tags_to_list,
)

DOCUMENTATION = r"""
module: cost_budget
short_description: Keeps a monthly budget of AWS Budgets as it should be
description:
  - A limit for what resources with some tags cost in a month, and notifications before it is reached. It stops nothing.
  - AWS tells costs apart by tags that are activated as cost allocation tags; until then it counts nothing.
  - It never deletes a budget.
options:
  account_id:
    description: The account, which Budgets asks for in each call.
    type: str
    required: true
  name:
    description: Name of the budget.
    type: str
    required: true
  limit:
    description: Limit for a month, in US dollars.
    type: float
    required: true
  cost_tags:
    description: Tags that resources carry whose costs are counted, all of them.
    type: dict
    required: true
  notifications:
    description: When the subscribers are notified.
    type: list
    elements: dict
    required: true
    suboptions:
      type:
        description: Whether it goes by what was spent, or by what the month will have cost.
        type: str
        choices: [actual, forecasted]
        required: true
      percent:
        description: Percentage of the limit above which the subscribers are notified.
        type: float
        required: true
  subscribers:
    description:
      - Addresses of e-mail, and at most one ARN of an SNS topic into which Budgets may publish.
      - Without any, nobody is notified.
    type: list
    elements: str
    required: true
  tags:
    description: All tags of the budget.
    type: dict
    default: {}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Say when dev is about to cost too much
  pettracker.aws.cost_budget:
    account_id: "123456789012"
    name: pettracker-dev-monthly
    limit: 100
    cost_tags: {Project: pettracker, Environment: dev}
    notifications: [{type: forecasted, percent: 80}]
    subscribers: [ann@example.com]
"""

RETURN = r"""
managed:
  description: Ids by kind, as M(pettracker.aws.owned_resources) calls them; `make drift` asks about those that no task names.
  returned: always
  type: dict
"""


def arn_of(client: Any, of_budget: dict[str, str]) -> str:
    """Returns the ARN, by which calls that are about tags know a budget."""
    return f"arn:{client.meta.partition}:budgets::{of_budget['AccountId']}:budget/{of_budget['BudgetName']}"


def describe(client: Any, of_budget: dict[str, str]) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
    """Reads a budget, its tags within, and its notifications with their subscribers; None if there is none."""
    try:
        # Without this word AWS answers with everything but the filter.
        budget = client.describe_budget(**of_budget, ShowFilterExpression=True)["Budget"]
    except Exception as error:
        if error_code(error) == "NotFoundException":
            return None
        raise
    pages = client.get_paginator("describe_notifications_for_budget").paginate(**of_budget)
    notifications = [item for page in pages for item in page.get("Notifications", [])]
    for item in notifications:
        asked = of_budget | {"Notification": identity(item)}
        pages = client.get_paginator("describe_subscribers_for_notification").paginate(**asked)
        item["Subscribers"] = [one["Address"] for page in pages for one in page.get("Subscribers", [])]
    tags = client.list_tags_for_resource(ResourceARN=arn_of(client, of_budget)).get("ResourceTags", [])
    return budget | {"Tags": tags}, notifications


def apply(
    client: Any, of_budget: dict[str, str], wanted: dict[str, Any], found: dict[str, Any] | None, period: Any
) -> None:
    """Makes the calls that make or correct a budget."""
    account = {"AccountId": of_budget["AccountId"]}
    budget = budget_request(of_budget["BudgetName"], wanted)
    if found is None:
        client.create_budget(**account, Budget=budget, ResourceTags=tags_to_list(wanted["tags"]))
        found = wanted | {"notifications": {}}
    fields = differences(wanted, found)
    if set(fields) - {"notifications", "tags"}:
        client.update_budget(**account, NewBudget=budget | ({"TimePeriod": period} if period else {}))
    if "notifications" in fields:
        before, after = found["notifications"], wanted["notifications"]
        for key in sorted(before):
            if before[key] != after.get(key):
                client.delete_notification(**of_budget, Notification=notification_request(key))
        for key in sorted(after):
            if after[key] != before.get(key):
                client.create_notification(
                    **of_budget, Notification=notification_request(key), Subscribers=subscribers_request(after[key])
                )
    if "tags" in fields:
        arn = arn_of(client, of_budget)
        added, gone = tag_changes(wanted["tags"], found["tags"])
        if added:
            client.tag_resource(ResourceARN=arn, ResourceTags=tags_to_list(added))
        if gone:
            client.untag_resource(ResourceARN=arn, ResourceTagKeys=gone)


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Compares, and acts on a difference unless in check mode."""
    client = module.client("budgets")
    name = module.params["name"]
    of_budget = {"AccountId": module.params["account_id"], "BudgetName": name}
    wanted = wanted_state(module.params)
    described = describe(client, of_budget)
    found = found_state(*described) if described else None
    if differences(wanted, found) and not module.check_mode:
        period = described[0].get("TimePeriod") if described else None
        apply(client, of_budget, wanted, found, period)
    diff = as_diff(f"budget {name}", wanted, found)
    return {"changed": diff["action"] != "none", "diff": diff, "managed": {"budget": [name]}}


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not set up the budget")


if __name__ == "__main__":
    main()
