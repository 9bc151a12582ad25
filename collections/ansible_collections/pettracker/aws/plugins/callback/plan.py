"""Collects what the tasks of a run in check mode would change, and says it as text, Markdown and JSON."""

from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.executor.task_result import CallbackTaskResult
from ansible.plugins.callback import CallbackBase

from ..module_utils.kinds.kind import Owned
from ..module_utils.owned_resources import unmanaged
from ..module_utils.plan.changes import Change, Plan, Resource, Stray, changes_of, named_in, resources_of
from ..module_utils.plan.costs import assumptions, monthly_usd
from ..module_utils.plan.text import reports, terminal

DOCUMENTATION = r"""
name: plan
type: stdout
short_description: Says which resources a run would change, and in which fields
description:
  - In place of Ansible's own output of every task, this prints each difference that a task returns, and writes C(NAME.json) and
    C(NAME.md). C(python -m delivery plan) starts it, with C(--check).
  - C(docs/plan.schema.json) describes the JSON.
options:
  directory: {type: path, required: true, env: [{name: PLAN_DIRECTORY}], description: "Where the reports are written."}
  name: {type: str, default: plan, env: [{name: PLAN_NAME}], description: "Name of the reports, C(plan) or C(drift)."}
  part: {type: bool, default: false, env: [{name: PLAN_PART}], description: "Whether this is a part of a plan, which C(python -m
    delivery plan) shows when all are there."}
  environment: {type: str, required: true, env: [{name: PLAN_ENVIRONMENT}], description: "The environment, for the headings."}
  prices: {type: path, env: [{name: PLAN_PRICES}], description: "What C(python -m delivery plan) has written, so that what
    nothing manages is named with what it costs."}
author: PetTracker ML
"""


class CallbackModule(CallbackBase):
    """Listens to every result; the rules are in module_utils/plan/changes.py."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "plan"

    def __init__(self) -> None:
        super().__init__()
        self._changes: list[Change] = []
        self._resources: dict[tuple[str, str], Resource] = {}
        self._problems: list[str] = []
        self._claimed: dict[str, set[str]] = {}
        self._nobodys: dict[str, set[str]] = {}
        self._found: dict[str, list[Owned]] | None = None

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._display.display(f"… {play.get_name()}", color=C.COLOR_VERBOSE, stderr=True)

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        self._display_warnings(result)
        module = result.task.resolved_action or result.task.action
        self._changes += changes_of(result.result, result.task.get_name())
        self._resources |= {(found.kind, found.name): found for found in resources_of(result.result)}
        for kind, identities in named_in(result.result, "managed").items():
            self._claimed.setdefault(kind, set()).update(identities)
        for kind, parts in named_in(result.result, "nobodys").items():
            self._nobodys.setdefault(kind, set()).update(parts)
        if module == "pettracker.aws.owned_resources":
            self._found = {kind: [Owned(**one) for one in found] for kind, found in result.result.get("found", {}).items()}

    def _strays(self) -> dict[str, tuple[Stray, ...]]:
        """Returns what nothing manages, which a plan, that does not look for it, has none of."""
        if self._found is None:
            return {}
        left = unmanaged(self._found, self._claimed)
        costs = self._costs(left)
        strays = {
            kind: tuple(Stray(one.identity, one.name, one.since, costs.get((kind, one.identity), "")) for one in found)
            for kind, found in left.items()
        }
        return strays | {kind: tuple(Stray(name) for name in sorted(names)) for kind, names in self._nobodys.items()}

    def _costs(self, found: dict[str, list[Owned]]) -> dict[tuple[str, str], str]:
        """Returns what costs something a month, as far as prices are given."""
        path = self.get_option("prices")
        if not path:
            return {}
        known = {key: one.before or one.after or {} for key, one in self._resources.items()}
        return monthly_usd(found, known, assumptions(Path(path).read_text()))

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        if ignore_errors:
            return
        rounds = [item for item in result.result.get("results", []) if item.get("failed")] or [result.result]
        for item in rounds:
            self._problems.append(f"{result.task.get_name()}: {item.get('msg') or 'it failed and gave no reason'}")

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        self._problems.append(f"{result.host.get_name()} cannot be reached: {result.result.get('msg', '')}")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        plan = Plan(
            environment=self.get_option("environment"),
            changes=tuple(self._changes),
            resources=tuple(self._resources.values()),
            problems=tuple(self._problems),
            unmanaged=self._strays(),
        )
        directory, name = Path(self.get_option("directory")), self.get_option("name")
        directory.mkdir(parents=True, exist_ok=True)
        for file, text in reports(plan, name).items():
            (directory / file).write_text(text)
        if self.get_option("part"):
            return
        for line, colour in terminal(plan):
            self._display.display(line, color=C.COLOR_HIGHLIGHT if colour == "bold" else colour)

    def _display_warnings(self, result: CallbackTaskResult) -> None:
        for text in result.result.get("warnings", []):
            self._display.warning(str(text))
