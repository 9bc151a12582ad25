"""What this package shares with Ansible's modules: the form of a plan, how it reads, and Markdown of what others wrote."""

from pathlib import Path

import ansible.module_utils

# As inside a module of Ansible, the project's module_utils are part of this package.
ansible.module_utils.__path__.append(str(Path(__file__).resolve().parents[1] / "plugins/module_utils"))

from ansible.module_utils.markdown import cell, code  # noqa: E402 - only now is it found
from ansible.module_utils.ownership import MADE_BY_APPLY  # noqa: E402 - the same
from ansible.module_utils.plan import Plan, as_json, checked, from_json, joined  # noqa: E402 - the same
from ansible.module_utils.plan_text import markdown, reports, terminal  # noqa: E402 - the same
from ansible.module_utils.state import UNKNOWN, is_unknown  # noqa: E402 - the same

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
