"""How a module that calls AWS starts and ends."""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from .argument_spec import argument_spec

Result = dict[str, Any]


class Module(AnsibleAWSModule):
    """A module that asks each service through one client: every other one would be a session and a connection of its own."""

    def client(self, service: str, **options: Any) -> Any:
        """Returns the client of a service; one with `options` is made anew."""
        if options:
            return super().client(service, **options)
        clients: dict[str, Any] = self.__dict__.setdefault("_clients", {})
        if service not in clients:
            clients[service] = super().client(service)
        return clients[service]


def run_module(
    documentation: str, run: Callable[[Module], Result], failure: str, no_log: Mapping[str, bool] | None = None, **rules: Any
) -> None:
    """Runs a module that takes what it documents, and ends the process with what `run` returns.

    `failure` is what an error's message begins with; it may name options in braces. `rules` are AnsibleModule's about several
    options, such as `required_if`.
    """
    module = Module(argument_spec=argument_spec(documentation, no_log), supports_check_mode=True, **rules)
    try:
        module.exit_json(**run(module))
    except Exception as error:
        module.fail_json_aws(error, msg=failure.format_map(module.params))
