"""What this package shares with Ansible's modules: the form of a plan, how it reads, and Markdown of what others wrote."""

# As inside a module of Ansible, the project's module_utils are part of this package.
from ansible_collections.pettracker.aws.plugins.module_utils.markdown import cell, code
from ansible_collections.pettracker.aws.plugins.module_utils.ownership import MADE_BY_APPLY
from ansible_collections.pettracker.aws.plugins.module_utils.plan import Plan, as_json, checked, from_json, joined
from ansible_collections.pettracker.aws.plugins.module_utils.plan_text import markdown, reports, terminal
from ansible_collections.pettracker.aws.plugins.module_utils.state import UNKNOWN, is_unknown

__all__ = [
    "MADE_BY_APPLY",
    "UNKNOWN",
    "Plan",
    "as_json",
    "cell",
    "checked",
    "code",
    "from_json",
    "is_unknown",
    "joined",
    "markdown",
    "reports",
    "terminal",
]
