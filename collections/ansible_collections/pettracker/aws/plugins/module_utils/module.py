"""How a module that calls AWS starts and ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.pettracker.aws.plugins.module_utils.argument_spec import argument_spec


def run_module(
    documentation: str,
    run: Callable[[AnsibleAWSModule], dict[str, Any]],
    failure: str,
    no_log: Mapping[str, bool] | None = None,
    **rules: Any,
) -> None:
    """Runs a module that takes what it documents, and ends the process with what `run` returns.

    `failure` is what an error's message begins with; it may name options in braces. `rules` are AnsibleModule's about several
    options, such as `required_if`.
    """
    module = AnsibleAWSModule(argument_spec=argument_spec(documentation, no_log), supports_check_mode=True, **rules)
    try:
        module.exit_json(**run(module))
    except Exception as error:
        module.fail_json_aws(error, msg=failure.format_map(module.params))
