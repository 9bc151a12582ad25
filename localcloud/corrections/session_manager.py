"""Systems Manager: the operations of Session Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.ssm.exceptions import SSMException
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud import backends
from localcloud.corrections.callers import caller_of
from localcloud.corrections.patching import NOT_REPORTED, Difference, addition
from localcloud.sessions.manager import SHELL, Session, SessionError

if TYPE_CHECKING:
    from localcloud.account import Account

SESSIONS = Difference(
    "lacks the operations of Session Manager",
    aws="https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_StartSession.html",
    upstream=NOT_REPORTED,
)


def apply(account: Account) -> None:
    """Add the operations."""
    sessions = account.sessions

    def operation(function: Any) -> Any:
        def answer(self: Any) -> ActionResult:
            try:
                return ActionResult(function(self))
            except SessionError as error:
                raise SSMException(error.code, error.message) from error

        addition(SimpleSystemManagerResponse, function.__name__, SESSIONS)(answer)
        return function

    def stream(session: Session) -> dict[str, str]:
        url = f"{sessions.stream}{session.session_id}?role=publish_subscribe"
        return {"SessionId": session.session_id, "TokenValue": session.token, "StreamUrl": url}

    @operation
    def start_session(self: Any) -> dict[str, Any]:
        document = self._get_param("DocumentName") or SHELL
        parameters = self._get_param("Parameters") or {}
        return stream(sessions.start(self._get_param("Target"), caller_of(self), document, parameters))

    @operation
    def resume_session(self: Any) -> dict[str, Any]:
        return stream(sessions.resume(self._get_param("SessionId"), caller_of(self)))

    @operation
    def terminate_session(self: Any) -> dict[str, Any]:
        session_id = self._get_param("SessionId")
        sessions.terminate(session_id, caller_of(self))
        return {"SessionId": session_id}

    @operation
    def get_connection_status(self: Any) -> dict[str, Any]:
        target = self._get_param("Target")
        sessions.authorise_target(target, caller_of(self), "ssm:GetConnectionStatus")
        instance = backends.ec2().get_instance_by_id(target)
        connected = instance is not None and sessions.connected(instance)
        return {"Target": target, "Status": "connected" if connected else "notconnected"}
