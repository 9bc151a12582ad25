"""Says in a plan what tasks will make that check mode cannot look through: commands, uploads, the making of an image."""

from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.state import as_diff


class ActionModule(ActionBase):
    """Takes `resource` (kind and name) and `fields`, returns them as the difference of something new, and does nothing."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            argument_spec={"resource": {"type": "str", "required": True}, "fields": {"type": "dict", "default": {}}}
        )
        return result | {"changed": True, "diff": as_diff(arguments["resource"], arguments["fields"], None)}
