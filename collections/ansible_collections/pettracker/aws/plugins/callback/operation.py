"""Says what an operation on hosts does and answers, in lines for people; Ansible's own output is behind -v."""

import time
from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.executor.task_result import CallbackTaskResult
from ansible.plugins.callback import CallbackBase

from ..module_utils.operation_text import WIDTH
from ..module_utils.plan.changes import changes_of
from ..module_utils.plan.text import field_text

DOCUMENTATION = r"""
name: operation
type: stdout
short_description: Says what an operation on hosts does and answers, for people
description:
  - Prints what M(ansible.builtin.debug) says as it is, so tables and what hosts have printed, to stdout.
  - A line for each host and step goes to stderr when it begins; with C(--check), what would change.
  - What has failed is one line at the end. C(scripts/operate) starts it, unless C(-v) asks for Ansible's own output.
options:
  name: {type: str, default: operation, env: [{name: OPERATION_NAME}], description: "What is done where, for the last line."}
author: PetTracker ML
"""

DEBUG = ("debug", "ansible.builtin.debug")
# What only looks, decides or remembers, and needs no line of its own. Whatever is not here has one.
QUIET = {
    *("add_host", "assert", "command", "fail", "group_by", "include_tasks", "import_tasks", "meta", "set_fact"),
    *("validate_variables", "service_fleets", "scaling_group_process"),
}
# Their messages are whole sentences about what to do, and need no name of a task before them.
REFUSING = ("assert", "fail", "validate_variables")
# What Ansible puts before an error of its own.
PREFIXES = ("Task failed: ", "Action failed: ", "Module failed: ")


def plain_name(task: Any) -> str:
    """Returns the name of a task's action without Ansible's own collection."""
    return str(task.resolved_action or task.action).removeprefix("ansible.builtin.").removeprefix("pettracker.aws.")


def is_step(task: Any) -> bool:
    """Tells whether a task does something to a host or a group, or waits for it."""
    name, arguments = plain_name(task), task.args if isinstance(task.args, Mapping) else {}
    if name in QUIET or name in DEBUG:
        return False
    if name == "uri":
        return bool(task.until)
    if name.endswith("_info"):
        return "wait_timeout" in arguments
    return name != "owned_instance" or "state" in arguments


def error_text(task_name: str, task: Any, result: Mapping[str, Any]) -> str:
    """Returns why a task failed, in one line."""
    message = " ".join(str(result.get("msg") or result.get("stderr") or "it gave no reason").split())
    for prefix in PREFIXES:
        message = message.removeprefix(prefix)
    return message if plain_name(task) in REFUSING else f"{task_name}: {message}"


def duration(seconds: float) -> str:
    """Returns seconds for people."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class CallbackModule(CallbackBase):
    """Listens to every result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "operation"

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, str] = {}
        self._errors: dict[str, str] = {}
        self._acted = False
        self._answered = False
        self._begin = time.monotonic()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._names[task._uuid] = task.get_name().strip()

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """What has a condition may yet be skipped, and is told when it has been done; what a look finds, when it is known."""
        if not is_step(task):
            return
        self._acted = True
        if not task.when and task.check_mode is not True and not context.CLIARGS["check"]:
            self._say(self._step(host.get_name(), task))

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        self._handle_warnings(result.result)
        if "results" not in result.result:
            self._report(result, result.host.get_name())

    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        self._report(result, str(self._get_item_label(result.result)), of_a_loop=True)

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        self._handle_warnings(result.result)
        if not ignore_errors:
            rounds = [item for item in result.result.get("results", []) if item.get("failed")] or [result.result]
            name = self._name(result.task)
            self._errors[result.host.get_name()] = " ".join(error_text(name, result.task, item) for item in rounds)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        if not result.task.ignore_unreachable:
            message = error_text(self._name(result.task), result.task, result.result)
            self._errors[result.host.get_name()] = f"it cannot be reached. {message}"

    def v2_playbook_on_stats(self, stats: Any) -> None:
        name = self.get_option("name")
        changes = 0 if context.CLIARGS["check"] else sum(stats.changed.values())
        failed = sorted({*stats.failures, *stats.dark})
        said = "Nothing was changed." if not changes else f"Changes made before: {changes}."
        for host in failed:
            where = "" if host == "localhost" else f"{host}: "
            end = f" {said}" if host == failed[-1] else ""
            error = self._errors.get(host, "it failed and gave no reason.")
            self._display.display(f"{name}: {where}{error}{end}", color=C.COLOR_ERROR, stderr=True)
        if self._acted and not failed:
            looked = "This was only a look. " if context.CLIARGS["check"] else ""
            took = duration(time.monotonic() - self._begin)
            end = f"done in {took}, changes: {changes}." if changes else f"{looked}Nothing was changed."
            self._say(f"{name}: {end}")

    def _report(self, result: CallbackTaskResult, subject: str, of_a_loop: bool = False) -> None:
        task = result.task
        if plain_name(task) in DEBUG:
            message = result.result.get("msg", "")
            if isinstance(message, str) and self._answered:
                self._display.display("")
            for line in self._lines(message):
                self._display.display(line)
            self._answered = True
            return
        if not is_step(task) or not result.result.get("changed"):
            return
        if context.CLIARGS["check"]:
            for line in self._would(result.result, subject, task):
                self._display.display(line)
        elif of_a_loop or task.when:
            self._say(f"{self._step(subject, task)}: done")

    def _would(self, result: Mapping[str, Any], subject: str, task: Any) -> Iterator[str]:
        for change in changes_of(result, self._name(task)):
            fields = ", ".join(f"{item.path}: {field_text(item)}" for item in change.fields)
            where = "" if subject == "localhost" else f"{subject}  "
            yield f"would  {where}{self._name(task)}" + (f" ({fields})" if fields else "")

    def _name(self, task: Any) -> str:
        return self._names.get(task._uuid) or str(task.get_name())

    def _step(self, subject: str, task: Any) -> str:
        where = "" if subject == "localhost" else f"{subject}  "
        return f"{time.strftime('%H:%M:%S')}  {where}{self._name(task)}"

    def _say(self, text: str) -> None:
        self._display.display(text, color=C.COLOR_VERBOSE, stderr=True)

    @staticmethod
    def _lines(message: Any) -> list[str]:
        """Lines are printed as they are; a sentence is broken where a terminal would."""
        if isinstance(message, str):
            return wrap(message, WIDTH, break_long_words=False, break_on_hyphens=False)
        return [str(line) for line in message]
