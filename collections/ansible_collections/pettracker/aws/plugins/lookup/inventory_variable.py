"""Finds variables of the inventory where Ansible knows none yet: in the configuration of a dynamic inventory, read first."""

from collections.abc import Mapping
from typing import Any

from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.group import Group
from ansible.plugins.lookup import LookupBase
from ansible.template import Templar, trust_as_template
from ansible.vars.plugins import get_vars_from_inventory_sources

DOCUMENTATION = r"""
name: inventory_variable
author: PetTracker ML (@pettracker-ml)
short_description: Read a variable of all hosts of this run's inventory
description:
  - Returns what the files group_vars/all of the inventories of this run say, a later inventory before an earlier one.
options:
  _terms: {type: list, elements: str, required: true, description: "Names of variables."}
"""
EXAMPLES = r"""
- plugin: amazon.aws.aws_ec2
  regions: ["{{ lookup('inventory_variable', 'aws_region') }}"]
"""
RETURN = r"""
_raw: {type: list, description: "The value of each variable."}
"""


class LookupModule(LookupBase):
    """Asks the inventory sources of the command line, or of the configuration where it names none."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        """Returns the values of the variables `terms`.

        Raises:
            AnsibleError: the inventory has no such variable.
        """
        sources = context.CLIARGS["inventory"]
        known = get_vars_from_inventory_sources(self._loader, sources, [Group("all")], "task")
        for missing in set(terms) - set(known):
            raise AnsibleError(f"{missing} is in group_vars/all of none of {', '.join(sources)}")
        templar = Templar(loader=self._loader, variables=known)
        return [templar.template(trust_as_template("{{ " + name + " }}")) for name in terms]
