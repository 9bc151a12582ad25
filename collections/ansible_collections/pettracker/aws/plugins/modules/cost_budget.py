#!/usr/bin/python

from ..module_utils.kinds.budget import Budget
from ..module_utils.kinds.kind import as_set
from ..module_utils.module import Module, Result, run_module
from ..module_utils.state import as_diff, differences

DOCUMENTATION = r"""
module: cost_budget
short_description: Keeps a monthly budget of AWS Budgets as it should be
description:
  - A limit for what resources with some tags cost in a month, and notifications before it is reached. It stops nothing.
  - AWS tells costs apart by tags that are activated as cost allocation tags; until then it counts nothing.
  - It never deletes a budget.
options:
  account_id: {type: str, required: true, description: "The account, which Budgets asks for in each call."}
  name: {type: str, required: true, description: "Name of the budget."}
  limit: {type: float, required: true, description: "Limit for a month, in US dollars."}
  cost_tags: {type: dict, required: true, description: "Tags that resources carry whose costs are counted, all of them."}
  notifications:
    type: list
    elements: dict
    required: true
    description: "When the subscribers are notified."
    suboptions:
      type: {type: str, choices: [actual, forecasted], required: true, description: "What was spent, or what it will be."}
      percent: {type: float, required: true, description: "Percentage of the limit above which the subscribers are notified."}
  subscribers: {type: list, elements: str, required: true, description: "Addresses of e-mail, and at most one ARN of an SNS
    topic into which Budgets may publish. Without any, nobody is notified."}
  tags: {type: dict, default: {}, description: "All tags of the budget."}
extends_documentation_fragment: [pettracker.aws.module]
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


def run(module: Module) -> Result:
    """Compares, and acts on a difference unless in check mode."""
    kind, account, name = Budget(), module.params["account_id"], module.params["name"]
    answers = kind.read(module.client, account, name)
    wanted, found = as_set(
        kind.wanted(module.params), kind.state(answers) if answers else None, kind.deviations(answers) if answers else []
    )
    if differences(wanted, found) and not module.check_mode:
        kind.apply(module.client, account, name, wanted, found=found, answers=answers)
    diff = as_diff(f"budget {name}", wanted, found)
    left = kind.nobodys(answers) if answers else {}
    return {
        "changed": diff["action"] != "none",
        "diff": diff,
        "managed": {"budget": [name]},
        "nobodys": {part: [f"{name}/{one}" for one in ones] for part, ones in left.items()},
    }


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not set up the budget")
