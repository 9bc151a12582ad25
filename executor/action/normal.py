"""Runs this project's modules, those for AWS and those of ansible.builtin in a fork of Ansible's own worker.

For a module on the controller the stock executor starts an interpreter, sends it an archive, and imports boto3 there. The
worker has all of that in memory already. Ansible looks for an action plugin named `normal` before its own one; this is it,
and ansible.cfg names its folder. ANSIBLE_ACTION_PLUGINS=none leaves it out: the switch back to the stock executor.

Only how the payload runs is exchanged. Arguments, check mode, no_log, defaults, and the parsing of results are ActionBase's.
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import ansible.plugins.action
from ansible.executor.module_common import _BuiltModule, _get_ansible_module_fqn
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.loader import module_loader
from ansible_collections.pettracker.aws.plugins.plugin_utils.forked_module import Module, run

# Under its own name Ansible finds this file instead.
_path = Path(ansible.plugins.action.__file__).with_name("normal.py")
_specification = importlib.util.spec_from_file_location("ansible_own_normal", _path)
_stock = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(_stock)

# How modules without metadata of their own, as all of these are, exchange values with the controller.
PROFILE = "legacy"
FORKED = (
    "ansible_collections.pettracker.aws.",
    "ansible_collections.amazon.aws.",
    "ansible_collections.community.aws.",
    "ansible.modules.",
)


class ActionModule(_stock.ActionModule):
    """The action of every module that has none of its own."""

    _forked: Module | None = None

    def _configure_module(self, module_name: str, module_args: dict, task_vars: dict) -> tuple[_BuiltModule, str]:
        """Returns the arguments alone where the code need not travel, and the stock executor's archive elsewhere."""
        self._forked = self._to_fork(module_name, task_vars)
        if self._forked is None:
            return super()._configure_module(module_name, module_args, task_vars)
        encoder = get_module_encoder(PROFILE, Direction.CONTROLLER_TO_MODULE)
        payload = json.dumps({"ANSIBLE_MODULE_ARGS": module_args}, cls=encoder).encode()
        built = _BuiltModule(
            b_module_data=payload, module_style="new", shebang=f"#!{sys.executable}", serialization_profile=PROFILE
        )
        return built, self._forked.path

    def _low_level_execute_command(self, cmd: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Runs the module in a fork; `cmd`, which would start an interpreter, is not needed for that."""
        if self._forked is None:
            return super()._low_level_execute_command(cmd, *args, **kwargs)
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        return run(self._forked, kwargs["in_data"], PROFILE, {name: str(value) for name, value in environment.items()})

    def _to_fork(self, module_name: str, task_vars: dict) -> Module | None:
        """Returns the module where a fork of this process is what the task asks for; None where it is not."""
        host_vars = task_vars["ansible_delegated_vars"][self._task.delegate_to] if self._task.delegate_to else task_vars
        asked_otherwise = (
            self._connection.transport != "local"
            or self._connection.become
            or self._task.async_val
            or not self._is_pipelining_enabled("new")
            or self._templar.template(host_vars.get("ansible_python_interpreter", "")) != sys.executable
        )
        if asked_otherwise:
            return None
        path = module_loader.find_plugin_with_context(
            module_name, ".py", collection_list=self._task.collections
        ).plugin_resolved_path
        if not path:
            return None
        try:
            name = _get_ansible_module_fqn(path)
        except ValueError:  # not of Ansible and not of a collection: of this project
            return Module(module_name, path)
        return Module(name, path) if name.startswith(FORKED) else None
