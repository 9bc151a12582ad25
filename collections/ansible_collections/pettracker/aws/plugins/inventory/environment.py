"""Sees that an environment's inventory, which says only what differs, is read over what all environments share."""

from pathlib import Path

from ansible import context
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.inventory.group import Group
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.vars.plugins import get_vars_from_inventory_sources

DOCUMENTATION = r"""
name: environment
author: PetTracker ML (@pettracker-ml)
short_description: An environment over inventories/common
description:
  - Says that a folder beside C(common) is an environment. Adds no host and no variable.
  - Refuses to be read without C(common) before it, with another environment, or under a name that is not its folder's.
options:
  plugin: {choices: [pettracker.aws.environment], required: true, description: "This plugin."}
"""
EXAMPLES = r"""
plugin: pettracker.aws.environment
"""
FILE = "environment.yml"


class InventoryModule(BaseInventoryPlugin):
    """Looks at the sources of the command line, or of the configuration where it names none."""

    NAME = "pettracker.aws.environment"

    def verify_file(self, path: str) -> bool:
        """Returns whether a file says that its folder is an environment."""
        return super().verify_file(path) and Path(path).name == FILE

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Looks at the sources.

        Raises:
            AnsibleParserError: they are not `common` and then this environment, or `env_name` is another one's.
        """
        super().parse(inventory, loader, path, cache)
        own = Path(path).parent
        sources = [Path(source) for source in context.CLIARGS["inventory"]]
        folders = [source if source.is_dir() else source.parent for source in sources]
        if [folder for folder in folders if folder.parent == own.parent] != [own.parent / "common", own]:
            raise AnsibleParserError(
                f"An environment says only what differs, so it is read after what all share, and alone: -i "
                f"{own.parent.name}/common -i {own.parent.name}/{own.name}. scripts/with-environment {own.name} COMMAND "
                "does that by itself, without -i."
            )
        name = get_vars_from_inventory_sources(loader, [str(own)], [Group("all")], "task").get("env_name")
        if name != own.name:
            raise AnsibleParserError(f"env_name is {name} in {own}: it names what the environment owns; write {own.name}.")
