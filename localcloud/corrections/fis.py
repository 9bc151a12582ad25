"""Fault Injection Service: experiments that interrupt Spot instances really do."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from moto.fis.exceptions import FISException
from moto.fis.models import FISBackend

from localcloud import backends
from localcloud.corrections.patching import Seam, correction
from localcloud.metadata.spot import NOTICE, interruptions

if TYPE_CHECKING:
    from localcloud.account import Account

INTERRUPTIONS = Seam("the metadata of a host announces its interruption, where moto only counts experiments")
ACTION = "aws:ec2:send-spot-instance-interruptions"
DURATION = re.compile(r"PT(\d+)M")
LONGEST_MINUTES = 15
TARGETS = "aws:ec2:spot-instance"


def apply(_account: Account) -> None:
    """Carry out one action."""

    @correction(FISBackend, "start_experiment", INTERRUPTIONS)
    def interrupt(original: Any, self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#send-spot-instance-interruptions
        # An instance need not be a Spot instance, for the rehearsal's service launches none.
        template = self.experiment_templates.get(kwargs["experiment_template_id"])
        instances = _instances(template) if template else {}
        experiment: dict[str, Any] = original(self, *args, **kwargs)
        for instance_id, ahead in instances.items():
            interruptions.announce(instance_id, ahead)
        return experiment


def _instances(template: Any) -> dict[str, timedelta]:
    """Return the ids of the instances that a template interrupts, with the time between recommendation and notice.

    "The instance receives a rebalance recommendation" at once, and the notice two minutes before its end. Any other experiment
    is refused.
    """
    found: dict[str, timedelta] = {}
    for action in template.actions.values():
        minutes = DURATION.fullmatch(action.get("parameters", {}).get("durationBeforeInterruption", ""))
        if action["actionId"] != ACTION or minutes is None or not 2 <= int(minutes[1]) <= LONGEST_MINUTES:
            message = f"The local cloud does nothing but {ACTION} after PT2M to PT{LONGEST_MINUTES}M."
            raise FISException("ValidationException", message)
        target = template.targets.get(action.get("targets", {}).get("SpotInstances"), {})
        ids = [arn.rpartition("/")[2] for arn in target.get("resourceArns", [])]
        if target.get("resourceType") != TARGETS or not ids:
            raise FISException("ValidationException", f"The local cloud takes targets of {TARGETS} by resourceArns.")
        running = {one.id for one in backends.ec2().all_instances() if one.state == "running"}
        if not running.issuperset(ids):
            raise FISException("ValidationException", f"Not running: {', '.join(sorted(set(ids) - running))}.")
        found |= dict.fromkeys(ids, timedelta(minutes=int(minutes[1])) - NOTICE)
    return found
