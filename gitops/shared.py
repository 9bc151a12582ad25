"""What this package shares with Ansible's modules: plans, how they read, what resources cost, Markdown of others."""

# As inside a module of Ansible, the project's module_utils are part of this package.
from ansible_collections.pettracker.aws.plugins.module_utils.costs import UNUSED, items
from ansible_collections.pettracker.aws.plugins.module_utils.kinds.charges import (
    Fields,
    Gap,
    Line,
    Place,
    Range,
    Resources,
    region_of,
)
from ansible_collections.pettracker.aws.plugins.module_utils.markdown import cell, code
from ansible_collections.pettracker.aws.plugins.module_utils.plan import (
    MADE_BY_APPLY,
    Plan,
    as_json,
    checked,
    from_json,
    joined,
)
from ansible_collections.pettracker.aws.plugins.module_utils.plan_text import markdown, reports, terminal
from ansible_collections.pettracker.aws.plugins.module_utils.state import UNKNOWN, is_unknown

__all__ = [
    "MADE_BY_APPLY",
    "UNKNOWN",
    "UNUSED",
    "Fields",
    "Gap",
    "Line",
    "Place",
    "Plan",
    "Range",
    "Resources",
    "as_json",
    "cell",
    "checked",
    "code",
    "from_json",
    "is_unknown",
    "items",
    "joined",
    "markdown",
    "region_of",
    "reports",
    "terminal",
]
