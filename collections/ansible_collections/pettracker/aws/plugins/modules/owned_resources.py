#!/usr/bin/python

from dataclasses import asdict
from typing import Any

from ..module_utils.kinds.kind import Scope
from ..module_utils.kinds.registry import BY_NAME
from ..module_utils.module import Module, Result, run_module
from ..module_utils.owned_resources import identities, listed, remove
from ..module_utils.state import is_unknown

DOCUMENTATION = r"""
module: owned_resources
short_description: Lists or removes everything that belongs to one environment
description:
  - Finds resources by the tags that this project puts on everything, whether or not a variable still mentions them, and removes
    them in the order in which they depend on each other.
  - Waits until each kind is gone, and fails when something is left.
options:
  tags: {type: dict, required: true, description: "Tags that a resource must carry, all of them."}
  state: {type: str, choices: [listed, absent], default: listed, description: "Whether to list or to remove."}
  vpc_id: {type: str, default: "", description: "The environment's VPC, to list what lives in it without the tags, too. Nothing
    is removed for that reason."}
  prefix: {type: str, default: "", description: "With what the names of the environment's roles and budgets begin, whose lists
    have no tags. Without it the tags of all in the account are read, one by one."}
  keep: {type: list, elements: str, default: [], description: "Kinds that are neither listed nor removed, such as C(bucket)."}
  wait_timeout: {type: int, default: 900, description: "Seconds after which the removal is given up."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: See what there is
  pettracker.aws.owned_resources:
    tags: {Project: pettracker, Environment: dev}
"""

RETURN = r"""
resources: {type: dict, returned: always, description: "Ids of the resources by kind, as they were before the task."}
found: {type: dict, returned: always, description: "The same as people know them, C(Owned) of C(kinds/kind.py)."}
"""


def run(module: Module) -> Result:
    """Lists, and removes unless in check mode."""
    clients = module.client
    tags, kept = module.params["tags"], frozenset(module.params["keep"])
    if unknown := sorted(kept - set(BY_NAME)):
        module.fail_json(msg=f"There is no kind {unknown[0]!r} to be kept; the kinds are: {', '.join(sorted(BY_NAME))}.")
    vpc_id, prefix = module.params["vpc_id"], module.params["prefix"]
    found = listed(clients, Scope(tags, "" if is_unknown(vpc_id) else vpc_id, prefix), kept)
    ids = identities(found)
    described = {kind: [asdict(one) for one in resources] for kind, resources in found.items()}
    result: dict[str, Any] = {"changed": False, "resources": ids, "found": described}
    if module.params["state"] == "listed" or not found:
        return result
    if not module.check_mode:
        left = remove(clients, Scope(tags, prefix=prefix), kept, module.params["wait_timeout"])
        if left:
            module.fail_json(msg=f"These could not be removed in time; run the same again: {left}", resources=left)
    return result | {"changed": True, "diff": {"before": ids, "after": {}}}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not list or remove the environment's resources")
