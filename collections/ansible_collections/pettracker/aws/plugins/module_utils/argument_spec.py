"""The arguments of a module, as its documentation has them.

PyYAML comes with Ansible on the controller, and with cloud-init on a host.
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.yaml import yaml_load

COPIED = ("type", "elements", "required", "default", "choices", "aliases")


def argument_spec(documentation: str, no_log: Mapping[str, bool] | None = None) -> dict[str, Any]:
    """Returns the argument specification that the text of DOCUMENTATION states.

    `no_log` says of options by name, at any depth, whether they are secrets, for which documentation has no word. Options that
    are merely called like secrets stand there too, as False.
    """
    return _derived(yaml_load(documentation)["options"], no_log or {})


def _derived(options: dict[str, dict[str, Any]], no_log: Mapping[str, bool]) -> dict[str, Any]:
    specification = {}
    for name, option in options.items():
        entry = {key: option[key] for key in COPIED if key in option}
        if "suboptions" in option:
            entry["options"] = _derived(option["suboptions"], no_log)
        if name in no_log:
            entry["no_log"] = no_log[name]
        specification[name] = entry
    return specification
