"""What the action plugins have in common that follow something for minutes, and print how far it is."""

from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from botocore.exceptions import BotoCoreError, ClientError

from ..module_utils.rollout.lock import LockLostError

display = Display()


def report(text: str) -> None:
    """Prints a line of progress below its task."""
    display.display(f"    {text}")


class ProgressAction(ActionBase):
    """Runs on the controller. Fails, with `lock_lost`, when somebody else has taken the rollout's lock over."""

    ARGUMENTS: ClassVar[dict[str, Any]]
    # What is followed, for an error's message; it may name arguments in braces.
    SUBJECT: ClassVar[str]

    def follow(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Follows it to the goal that the arguments say, and returns the fields of the result."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=self.ARGUMENTS)
        try:
            return result | {"changed": False} | self.follow(arguments)
        except LockLostError as error:
            return result | {"failed": True, "lock_lost": True, "msg": f"{error} This run ends; that one goes on."}
        except (BotoCoreError, ClientError) as error:
            raise AnsibleActionFail(f"Cannot follow {self.SUBJECT.format_map(arguments)}: {error}") from None
