"""Fault Injection Service: experiments that interrupt Spot instances really do."""

from __future__ import annotations

from typing import Any

from moto.fis.exceptions import FISException
from moto.fis.models import FISBackend

from localcloud import backends
from localcloud.corrections.patching import correction
from localcloud.metadata.spot import interruptions

ACTION = "aws:ec2:send-spot-instance-interruptions"
TARGETS = "aws:ec2:spot-instance"


def apply() -> None:
    """Carry out one action; moto only counts experiments."""

    @correction(FISBackend, "start_experiment")
    def interrupt(original: Any, self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html#send-spot-instance-interruptions
        # An instance need not be a Spot instance, for the rehearsal's service launches none.
        template = self.experiment_templates.get(kwargs["experiment_template_id"])
        instances = _instances(template) if template else []
        experiment: dict[str, Any] = original(self, *args, **kwargs)
        for instance_id in instances:
            interruptions.announce(instance_id)
        return experiment


def _instances(template: Any) -> list[str]:
    """Return the ids of the instances that a template interrupts; refuse any other experiment."""
    found = []
    for action in template.actions.values():
        if action["actionId"] != ACTION or action.get("parameters") != {"durationBeforeInterruption": "PT2M"}:
            raise FISException("ValidationException", f"The local cloud does nothing but {ACTION} after PT2M.")
        target = template.targets.get(action.get("targets", {}).get("SpotInstances"), {})
        ids = [arn.rpartition("/")[2] for arn in target.get("resourceArns", [])]
        if target.get("resourceType") != TARGETS or not ids:
            raise FISException("ValidationException", f"The local cloud takes targets of {TARGETS} by resourceArns.")
        running = {one.id for one in backends.ec2().all_instances() if one.state == "running"}
        if not running.issuperset(ids):
            raise FISException("ValidationException", f"Not running: {', '.join(sorted(set(ids) - running))}.")
        found += ids
    return found
