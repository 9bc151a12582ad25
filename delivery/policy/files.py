"""What the guard rails read: the rules, the waivers of an environment, and its variables."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from delivery.errors import DeliveryError
from delivery.inventories import FOLDER, sources, variable_files
from delivery.policy.judgement import Judgement, Resource, Rule, Waiver, judge
from delivery.policy.secret_scan import secrets_of
from delivery.variables import read

RULES = Path("delivery/policy/rules.yml")
# What some plays know, and no inventory changes.
_OF_PLAYS = "playbooks/vars/*.yml"


def _entries(path: Path, kind: type[Rule] | type[Waiver]) -> list[Any]:
    """Return the entries of a file. Raises DeliveryError that names the entry and its field."""
    content = read(path)
    try:
        return TypeAdapter(list[kind]).validate_python([] if content is None else content)  # type: ignore[valid-type]
    except ValidationError as error:
        reasons = []
        for problem in error.errors():
            number, *inside = problem["loc"] or ("",)
            entry = content[number] if isinstance(number, int) else {}
            name = entry.get("id") or entry.get("rule") if isinstance(entry, dict) else None
            where = f"entry {number + 1} ({name or 'unnamed'})" if isinstance(number, int) else "the file"
            reasons.append(f"  {': '.join([where, *map(str, inside)])}: {problem['msg']}")
        raise DeliveryError(f"{path} is not what it should be:\n" + "\n".join(reasons)) from None


def read_rules(path: Path = RULES) -> list[Rule]:
    """Return the guard rails. Raises DeliveryError where one is wrong."""
    rules: list[Rule] = _entries(path, Rule)
    twice = sorted({rule.id for rule in rules if sum(other.id == rule.id for other in rules) > 1})
    if twice or not rules:
        raise DeliveryError(f"{path} has {'several rules called ' + ', '.join(twice) if twice else 'no rule'}")
    return rules


def waivers_file(environment: str, root: Path = Path()) -> Path:
    """Return where an environment's waivers are; ansible.cfg keeps Ansible from taking the file for an inventory."""
    return root / FOLDER / environment / "waivers.yml"


def read_waivers(environment: str, root: Path = Path()) -> list[Waiver]:
    """Return the waivers of an environment, none where it has no file. Raises DeliveryError where one is wrong."""
    path = waivers_file(environment, root)
    return _entries(path, Waiver) if path.exists() else []


def refuse_links_out(root: Path) -> None:
    """Raise DeliveryError where a link leads out of a tree that somebody else has written: it would be read as a part of it."""
    inside = root.resolve()
    for path in root.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            raise DeliveryError(f"{path.relative_to(root)} is a link that leads out of the repository; remove it")


def described(environment: str, root: Path = Path()) -> Iterator[Resource]:
    """Yield what a plan does not show, in the form of its resources: the environment, its variables, and their files.

    Variables are as they are written, templates among them.
    """
    defaults, of_plays = sorted(root.glob("roles/*/defaults/main.yml")), sorted(root.glob(_OF_PLAYS))
    variables: dict[str, Any] = {}
    for path in [*defaults, *variable_files(root, environment), *of_plays]:
        variables |= read(path) or {}
    yield _resource("environment", environment, {})
    yield _resource("variables", environment, variables)
    files = [path for source in sources(root, environment) for path in sorted(source.rglob("*")) if path.is_file()]
    for path in [*files, *of_plays]:
        yield _resource("file", str(path.relative_to(root)), {"text": path.read_text()})


def _resource(kind: str, name: str, fields: dict[str, Any]) -> Resource:
    return {"kind": kind, "name": name, "before": fields, "after": fields}


def judge_of(environment: str, root: Path = Path()) -> Callable[[dict[str, Any]], Judgement]:
    """Return what says what the guard rails say of a plan, today. All that it goes by is read then.

    Rules are this code's own; variables and waivers are those of the tree `root`.
    """
    today = datetime.now(UTC).date()
    more, rules, waivers = [*described(environment, root)], read_rules(), read_waivers(environment, root)
    return lambda plan: judge(plan, more, rules, waivers, today=today, secrets_of=secrets_of)
