"""Command line of the training package."""

from importlib import import_module

import click

# Each is the `command` of the module of training.commands; a command's module is imported when it is asked for.
_COMMANDS = {
    "train": "train",
    "evaluate": "evaluate",
    "export": "export",
    "import": "importing",
    "publish": "publish",
    "promote": "promote",
    "list": "versions",
    "diff": "diff",
    "prune": "prune",
}


class _Commands(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        found: click.Command = import_module(f"training.commands.{_COMMANDS[name]}").command
        return found


@click.group(cls=_Commands, epilog="Exit status: 0 done, 1 refused, 2 wrong usage, 75 interrupted: run the same again.")
def main() -> None:
    """From labelled photos or rows of features to a published model."""
