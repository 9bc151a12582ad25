"""The page of the kinds of AWS resources, docs/kinds.md, as the kinds say it of themselves."""

from collections import defaultdict
from collections.abc import Iterator

from ansible_collections.pettracker.aws.plugins.module_utils.kinds.fields import defaults, foreign, undeclared
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.kind import Kind
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.registry import KINDS

BEGINNING = """# Kinds of AWS resources

What an environment is made of, in the order in which `make destroy` removes it. Of each kind a plan compares the fields that
variables set, and those that nobody sets: they are as AWS gives them, and an apply puts back what is otherwise. What somebody
else decides is left alone, and what nothing declares is shown by `make drift`. `python -m delivery kinds` writes this page from
`kinds/` of the collection; [extend.md](extend.md#add-a-kind-of-aws-resource) says how a kind is added.

Workflows run as the roles `plan`, which looks, `deploy` and `destroy`; an empty cell says that no role may. A person with an
administrator's credentials imports certificates and removes buckets.

"""
HEADER = (
    *("kind", "service", "put back though no variable says it", "somebody else's", "shown if nothing declares it"),
    *("costs", "made and changed by", "removed by"),
)


def page() -> str:
    """Return the whole page."""
    rows = [HEADER, ["---"] * len(HEADER), *map(_row, KINDS)]
    return BEGINNING + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(kind: Kind) -> Iterator[str]:
    """Yields the cells of one kind."""
    yield kind.name
    yield kind.service
    yield _listed(defaults(kind.answers))
    owned: dict[str, list[str]] = defaultdict(list)
    for path, owner in foreign(kind.answers).items():
        owned[owner].append(path)
    yield "; ".join(f"{_listed(paths)}: {owner}" for owner, paths in owned.items())
    yield ", ".join(undeclared(kind.answers))
    yield kind.free or "priced"
    by_workflow = ("`deploy`" if kind.change else "", "`destroy`" if kind.removal else "")
    yield from by_workflow if kind.torn_down else ("`make bootstrap`", "`make unbootstrap`")


def _listed(paths: list[str]) -> str:
    return ", ".join(f"`{path}`" for path in paths)
