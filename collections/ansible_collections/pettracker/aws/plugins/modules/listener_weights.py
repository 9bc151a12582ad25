#!/usr/bin/python
"""Sets by which weights a listener forwards to its target groups, in one call."""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from ..module_utils.module import run_module
from ..module_utils.rollout.blue_green import forward, is_sticky, weights_of
from ..module_utils.state import as_diff

DOCUMENTATION = r"""
module: listener_weights
short_description: Sets by which weights a listener forwards to its target groups
description:
  - >-
    Only the default action is touched, without stickiness. M(amazon.aws.elb_application_lb) does not compare weights, and so
    would set them anew each time.
options:
  listener_arn: {type: str, required: true, description: "The listener."}
  weights: {type: dict, required: true, description: "Weight by target group, 0 to 999. A target group that is not named gets
    nothing and is not checked any more."}
  expected: {type: dict, description: "Weights that there have to be, if given; with others, somebody else is at it, and nothing
    is changed."}
extends_documentation_fragment: [amazon.aws.common.modules, amazon.aws.region.modules, amazon.aws.boto3]
author: PetTracker ML
"""

EXAMPLES = r"""
- name: Give the new fleet a tenth of the requests
  pettracker.aws.listener_weights:
    listener_arn: "{{ fleets.listener_arn }}"
    weights: "{{ {old: 90, new: 10} }}"
"""

RETURN = r"""
before: {type: dict, returned: always, description: "Weight by target group as it was."}
"""


def run(module: AnsibleAWSModule) -> dict[str, Any]:
    """Returns the result."""
    client, arn = module.client("elbv2"), module.params["listener_arn"]
    actions = client.describe_listeners(ListenerArns=[arn])["Listeners"][0]["DefaultActions"]
    found = weights_of(actions)
    wanted = {name: int(weight) for name, weight in module.params["weights"].items()}
    expected = module.params["expected"]
    if expected is not None and found not in (wanted, {name: int(weight) for name, weight in expected.items()}):
        module.fail_json(
            msg=f"The listener has the weights {found} and should have {expected}: somebody else has changed them, so they "
            "are left alone."
        )
    # The weight of a lone target group says nothing.
    same = found == wanted or (len(wanted) == 1 and found.keys() == wanted.keys())
    changed = not same or is_sticky(actions)
    if changed and not module.check_mode:
        client.modify_listener(ListenerArn=arn, DefaultActions=forward(wanted))
    diff = as_diff(f"weights of {arn}", {"weights": wanted}, {"weights": found if not same else wanted})
    return {"changed": changed, "before": found, "diff": diff}


def main() -> None:
    """Runs the module."""
    run_module(DOCUMENTATION, run, "Could not set the weights of the listener")


if __name__ == "__main__":
    main()
