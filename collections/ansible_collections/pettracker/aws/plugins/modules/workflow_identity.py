#!/usr/bin/python

from functools import partial
from typing import Any

from ..module_utils.kinds.identity_provider import IdentityProvider
from ..module_utils.kinds.policy import Policy
from ..module_utils.kinds.role import Role
from ..module_utils.module import Module, Result, run_module
from ..module_utils.refusals import unless_gone
from ..module_utils.state import removal
from ..module_utils.workflow_identity import roles_that_trust, users_of_policy

DOCUMENTATION = r"""
module: workflow_identity
short_description: Takes away what lets GitHub's workflows into an account
description:
  - Removes roles with their policies, managed policies, and the identity provider whose tokens the roles trust. The provider
    stays where another role of the account trusts it.
  - Refuses, and removes nothing, where a role or a policy lacks O(tags), or something else has one of the policies.
options:
  roles: {type: list, elements: str, required: true, description: "Names of the roles."}
  policies: {type: list, elements: str, required: true, description: "ARNs of the managed policies."}
  provider_arn: {type: str, required: true, description: "ARN of the identity provider."}
  tags: {type: dict, required: true, description: "Tags that roles and policies carry; what does not is somebody else's."}
extends_documentation_fragment: [pettracker.aws.module]
"""

EXAMPLES = r"""
- name: Let no workflow in any more
  pettracker.aws.workflow_identity:
    roles: [pettracker-dev-ci-plan]
    policies: [arn:aws:iam::123456789012:policy/pettracker-dev-ci-read]
    provider_arn: arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com
    tags: {Project: pettracker, ManagedBy: bootstrap}
"""

RETURN = r"""
removed: {type: list, elements: str, returned: always, description: "What was removed, each with its kind."}
trusted_by: {type: list, elements: str, returned: always, description: "Other roles for which the identity provider stays."}
"""


def obstacles(client: Any, given: dict[str, Any], states: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    """Returns a sentence for each thing that is somebody else's, or that somebody else needs."""
    found = [
        f"The {kind} {name} lacks the tags {given['tags']}, so bootstrap has not made it."
        for (kind, name), state in states.items()
        if not given["tags"].items() <= state["tags"].items()
    ]
    for kind, name in states:
        if kind == "policy" and (users := users_of_policy(client, name, given["roles"])):
            found.append(f"The policy {name} is still that of {', '.join(users)}: detach it there first.")
    return found


def run(module: Module) -> Result:
    """Looks at everything first, and then removes it unless in check mode."""
    client, given = module.client("iam"), module.params
    arn = given["provider_arn"]
    # Roles come first: no policy goes that one has.
    looked_at = [(Role(), name) for name in given["roles"]] + [(Policy(), name) for name in given["policies"]]
    there_is = [(kind, name, kind.read(module.client, name)) for kind, name in looked_at]
    states = {(kind.name, name): kind.state(answers) for kind, name, answers in there_is if answers}
    if told := obstacles(client, given, states):
        module.fail_json(msg=" ".join(told))
    providers = client.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    there = any(provider["Arn"] == arn for provider in providers)
    trusted_by = roles_that_trust(client, arn, given["roles"]) if there else []
    diffs = [removal(f"{kind} {name.rpartition('/')[2]}", state) for (kind, name), state in states.items()]
    if there and not trusted_by:
        audiences = client.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"]
        diffs.append(removal(f"identity provider {arn.rpartition('/')[2]}", {"audiences": audiences}))
    if not module.check_mode:
        for kind, name, answers in there_is:
            if answers:
                unless_gone(partial(kind.remove, module.client, name), None)
        if there and not trusted_by:
            IdentityProvider().remove(module.client, arn)
    removed = [diff["before_header"] for diff in diffs]
    return {"changed": bool(diffs), "diff": diffs, "removed": removed, "trusted_by": trusted_by}


if __name__ == "__main__":
    run_module(DOCUMENTATION, run, "Could not take away what the bootstrap made")
