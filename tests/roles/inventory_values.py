"""What a role's expressions come to with the variables of an environment, as Ansible itself works them out."""

import functools
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.pettracker.aws.plugins.module_utils.rollout.times import Times

from delivery.inventories import environments, variable_files

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = environments(ROOT)
# Whose variables meet in a rollout, from where its lock is to what replaces hosts.
ROLES = ("buckets", "load_balancer", "autoscaling_group", "inference_service", "rollout")


# Found out by a run before the roles are asked.
FOUND: dict[str, Any] = {
    "account_id": "123456789012",
    "network": {"vpc_id": "vpc-1", "public_subnet_ids": ["a", "b"], "private_subnet_ids": ["c", "d"], "security_group_ids": {}},
    "service_fleets": {"live": {"group": "a", "target_group": "a"}, "other": {"group": "b", "target_group": "b"}},
}


@functools.cache
def variables_of(environment: str) -> dict[str, Any]:
    """Return the variables of one environment by name, in Ansible's order of precedence."""
    loader = DataLoader()
    files = [ROOT / f"roles/{role}/defaults/main.yml" for role in ROLES]
    files += [*variable_files(ROOT, environment), ROOT / "playbooks/vars/image.yml"]
    files += [ROOT / f"roles/{role}/vars/main.yml" for role in ROLES]
    variables: dict[str, Any] = {}
    for file in files:
        variables |= loader.load_from_file(str(file), trusted_as_template=True) or {}
    return variables


class Values:
    """The variables of one environment, and some that a run would have set.

    Attributes:
        times: of its rollouts.
    """

    def __init__(self, environment: str, **more: Any) -> None:
        variables = variables_of(environment) | FOUND | more
        self._templar = Templar(loader=DataLoader(), variables=variables)
        self.times = Times(**self["__rollout_paces"])
        self._templar = Templar(loader=DataLoader(), variables=variables | {"__rollout_times": self.times.derived()})

    def __getitem__(self, name: str) -> Any:
        """Return the value of a variable."""
        return self.text("{{ " + name + " }}")

    def text(self, template: str) -> Any:
        """Return what a template of a task comes to."""
        return self._templar.template(trust_as_template(template))

    def value(self, template: Any) -> Any:
        """Return what the arguments of a task come to, as `arguments` reads them."""
        return self._templar.template(template)

    def number(self, name: str) -> float:
        """Return the value of a variable that is a number, or its text."""
        return float(self[name])

    def holds(self, condition: str) -> bool:
        """Say whether a condition, as a task has it in `when` or `that`, is true."""
        return bool(self._templar.evaluate_conditional(trust_as_template(condition)))


def arguments(role: str, tasks: str, module: str) -> dict[str, Any]:
    """Return the arguments of the one task of a role's file that calls a module, as templates."""
    every = DataLoader().load_from_file(str(ROOT / f"roles/{role}/tasks/{tasks}.yml"), trusted_as_template=True)
    (found,) = [task[module] for task in every if module in task]
    return found  # type: ignore[no-any-return]


def assertions(role: str) -> list[tuple[str, str]]:
    """Return the conditions of a role's preflights, each with the name of its task."""
    files = sorted((ROOT / f"roles/{role}/tasks").glob("**/preflight.yml"))
    tasks = [task for file in files for task in yaml.safe_load(file.read_text())]
    found = []
    for task in tasks:
        that = task.get("ansible.builtin.assert", {}).get("that", [])
        found += [(task["name"], str(one)) for one in (that if isinstance(that, list) else [that])]
    return found
