"""Runs this project's modules, those for AWS and those of ansible.builtin in a fork of Ansible's own worker.

For a module on the controller the stock executor starts an interpreter, sends it an archive, and imports boto3 there. The
worker has all of that in memory already. Ansible looks for an action plugin named `normal` before its own one; this is it,
and ansible.cfg names its folder. ANSIBLE_ACTION_PLUGINS=none leaves it out: the switch back to the stock executor.

Only how the payload runs is exchanged. Arguments, check mode, no_log, defaults, and the parsing of results are ActionBase's.
Everything that a module does to its process (it exits, prints, changes the environment or the directory, crashes) ends with
the fork.
"""

import importlib.util
import json
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ansible.plugins.action
from ansible import constants as C
from ansible.executor.module_common import _BuiltModule, _get_ansible_module_fqn
from ansible.module_utils import _internal
from ansible.module_utils._internal._ansiballz._loader import run_module
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.loader import module_loader

# Under its own name Ansible finds this file instead.
_path = Path(ansible.plugins.action.__file__).with_name("normal.py")
_specification = importlib.util.spec_from_file_location("ansible_own_normal", _path)
_stock = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(_stock)

# How modules without metadata of their own, as all of these are, exchange values with the controller.
PROFILE = "legacy"
FORKED = ("ansible.modules.", *(f"ansible_collections.{name}." for name in ("pettracker", "amazon.aws", "community.aws")))


class ActionModule(_stock.ActionModule):
    """The action of every module that has none of its own."""

    _forked = ""  # the full name in Python of the module that is to run in a fork

    def _configure_module(self, module_name: str, module_args: dict, task_vars: dict) -> tuple[_BuiltModule, str]:
        """Returns the arguments alone where the code need not travel, and the stock executor's archive elsewhere."""
        self._forked = self._name_to_fork(module_name) if self._is_for_this_python(task_vars) else ""
        if not self._forked:
            return super()._configure_module(module_name, module_args, task_vars)
        # A temporary directory of the module's own would be removed at the exit of an interpreter; this one goes with the run.
        arguments = {"ANSIBLE_MODULE_ARGS": module_args | {"_ansible_tmpdir": C.DEFAULT_LOCAL_TMP}}
        payload = json.dumps(arguments, cls=get_module_encoder(PROFILE, Direction.CONTROLLER_TO_MODULE)).encode()
        shebang = f"#!{sys.executable}"
        built = _BuiltModule(b_module_data=payload, module_style="new", shebang=shebang, serialization_profile=PROFILE)
        return built, self._forked

    def _low_level_execute_command(self, cmd: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Runs the module in a fork; `cmd`, which would start an interpreter, is not needed for that."""
        if not self._forked:
            return super()._low_level_execute_command(cmd, *args, **kwargs)
        environment: dict[str, Any] = {}
        self._compute_environment_string(environment)
        return run(self._forked, kwargs["in_data"], {name: str(value) for name, value in environment.items()})

    def _is_for_this_python(self, task_vars: Mapping[str, Any]) -> bool:
        host_vars = task_vars["ansible_delegated_vars"][self._task.delegate_to] if self._task.delegate_to else task_vars
        return (
            self._connection.transport == "local"
            and not self._connection.become
            and not self._task.async_val
            and self._is_pipelining_enabled("new")
            and self._templar.template(host_vars.get("ansible_python_interpreter", "")) == sys.executable
        )

    def _name_to_fork(self, module_name: str) -> str:
        found = module_loader.find_plugin_with_context(module_name, ".py", collection_list=self._task.collections)
        try:
            name: str = _get_ansible_module_fqn(found.plugin_resolved_path or "")
        except ValueError:  # not of Ansible and not of a collection
            return ""
        return name if name.startswith(FORKED) else ""


def run(module: str, arguments: bytes, environment: Mapping[str, str]) -> dict[str, Any]:
    """Runs a module and returns `rc`, `stdout` and `stderr`, as a connection returns those of a command.

    `environment` comes on top of this process's own. A module that a signal ends has that signal's negative number as `rc`.
    What interrupts the wait (Ansible's timeout of a task is an exception) ends the module.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        descriptors = (stdout.fileno(), stderr.fileno())
        fork = multiprocessing.get_context("fork")
        process = fork.Process(target=_be_the_module, args=(module, arguments, environment, descriptors))
        process.start()
        try:
            process.join()
        except BaseException:
            process.kill()
            process.join()
            raise
        outputs = {}
        for name, file in (("stdout", stdout), ("stderr", stderr)):
            file.seek(0)
            outputs[name] = file.read().decode(errors="surrogateescape")
    code = process.exitcode or 0
    if code < 0:
        outputs["stderr"] += f"The module was ended by signal {signal.Signals(-code).name}.\n"
    lines = {f"{name}_lines": text.splitlines() for name, text in outputs.items()}
    return {"rc": code} | outputs | lines


def _be_the_module(module: str, arguments: bytes, environment: Mapping[str, str], outputs: tuple[int, int]) -> None:
    """Runs the module as a script and ends this process, as Ansible's wrapper does in an interpreter of its own."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    for descriptor, output in enumerate(outputs, start=1):
        os.dup2(output, descriptor)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    os.environ.update(environment)
    _internal.is_controller = False
    sys.modules.pop(module, None)  # it is run, not imported; `preload` may have done that
    run_module(json_params=arguments, profile=PROFILE, module_fqn=module, modlib_path="", extensions={})
