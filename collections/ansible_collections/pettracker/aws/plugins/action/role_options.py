"""Renders the options of roles as this play would give them to the roles, so that a plan sees what a host will be told.

What an option is, and its default, is in the role's `meta/argument_specs.yml`; there is no second list.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase


def specification(role: str, directories: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Returns what a role's first entry point documents, by option; AnsibleActionFail where there is no such role."""
    for directory in directories:
        file = directory / role / "meta/argument_specs.yml"
        if file.exists():
            return dict(yaml_load(file.read_text())["argument_specs"]["main"]["options"])
    raise AnsibleActionFail(f"There is no role {role} with a meta/argument_specs.yml: correct the list of roles.")


def rendered(
    role: str, options: Mapping[str, Mapping[str, Any]], variables: Mapping[str, Any], render: Callable[[Any], Any]
) -> dict[str, Any]:
    """Returns the value of each of a role's options, of the type that it documents; the default where no variable sets it."""
    given = {}
    for name in sorted(set(options) & set(variables)):
        try:
            given[name] = render(variables[name])
        except AnsibleError as error:
            raise AnsibleActionFail(
                f"{name} of the role {role} cannot be worked out on the controller, before there is a host: {error}"
            ) from error
    validated = ArgumentSpecValidator(dict(options)).validate(given)
    if validated.error_messages:
        raise AnsibleActionFail(f"Options of the role {role}: {'; '.join(validated.error_messages)}.")
    return dict(validated.validated_parameters)


class ActionModule(ActionBase):
    """Takes `roles` and `without`, names of options to leave out; returns `options` by role and name."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            argument_spec={
                "roles": {"type": "list", "elements": "str", "required": True},
                "without": {"type": "list", "elements": "str", "default": []},
            }
        )
        directories = [Path(directory) for directory in C.config.get_config_value("DEFAULT_ROLES_PATH")]
        without = set(arguments["without"])
        options = {
            role: rendered(
                role,
                {name: option for name, option in specification(role, directories).items() if name not in without},
                task_vars or {},
                self._templar.template,
            )
            for role in arguments["roles"]
        }
        return result | {"changed": False, "options": options}
