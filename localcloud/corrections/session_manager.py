"""Systems Manager: the operations of Session Manager, which moto has not."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ssm.exceptions import SSMException
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud import backends
from localcloud.corrections.callers import caller_of
from localcloud.corrections.patching import addition
from localcloud.sessions.manager import SHELL, Session, SessionError, Sessions

# What a filter of DescribeSessions compares, as far as somebody asks for it here.
FILTERS = {
    "Target": lambda session: session.target,
    "Owner": lambda session: session.owner.arn,
    "Status": lambda session: session.status,
    "SessionId": lambda session: session.session_id,
}


def apply(sessions: Sessions) -> None:
    """Add the operations."""

    def operation(function: Any) -> Any:
        def answer(self: Any) -> ActionResult:
            try:
                return ActionResult(function(self))
            except SessionError as error:
                raise SSMException(error.code, error.message) from error

        addition(SimpleSystemManagerResponse, function.__name__)(answer)
        return function

    def stream(session: Session) -> dict[str, str]:
        url = f"{sessions.stream}{session.session_id}?role=publish_subscribe"
        return {"SessionId": session.session_id, "TokenValue": session.token, "StreamUrl": url}

    @operation
    def start_session(self: Any) -> dict[str, Any]:
        document = self._get_param("DocumentName") or SHELL
        parameters = self._get_param("Parameters") or {}
        session = sessions.start(
            self._get_param("Target"), caller_of(self), document, parameters, self._get_param("Reason") or ""
        )
        return stream(session)

    @operation
    def resume_session(self: Any) -> dict[str, Any]:
        return stream(sessions.resume(self._get_param("SessionId"), caller_of(self)))

    @operation
    def terminate_session(self: Any) -> dict[str, Any]:
        session_id = self._get_param("SessionId")
        sessions.terminate(session_id, caller_of(self))
        return {"SessionId": session_id}

    @operation
    def describe_sessions(self: Any) -> dict[str, Any]:
        ended = self._get_param("State") == "History"
        found = [one for one in sessions.all() if (one.status == "Terminated") is ended]
        for wanted in self._get_param("Filters") or []:
            if wanted["key"] not in FILTERS:
                raise SessionError("InvalidFilterKey", f"The local cloud filters sessions by {', '.join(FILTERS)}.")
            found = [one for one in found if FILTERS[wanted["key"]](one) == wanted["value"]]
        return {"Sessions": [_described(one) for one in found]}

    @operation
    def get_connection_status(self: Any) -> dict[str, Any]:
        target = self._get_param("Target")
        sessions.authorise_target(target, caller_of(self), "ssm:GetConnectionStatus")
        instance = backends.ec2().get_instance_by_id(target)
        connected = instance is not None and sessions.connected(instance)
        return {"Target": target, "Status": "connected" if connected else "notconnected"}

    @operation
    def describe_instance_information(self: Any) -> dict[str, Any]:
        for wanted in self._get_param("Filters") or []:
            if wanted["Key"] != "InstanceIds":
                raise SessionError("InvalidFilterKey", "The local cloud filters managed nodes by InstanceIds.")
        wanted = {value for one in self._get_param("Filters") or [] for value in one["Values"]}
        return {
            "InstanceInformationList": [
                {
                    "InstanceId": one.id,
                    "PingStatus": "Online" if sessions.connected(one) else "ConnectionLost",
                    "PlatformType": "Linux",
                    "PlatformName": "Debian GNU/Linux",
                    "PlatformVersion": "12",
                    "ResourceType": "EC2Instance",
                    "IPAddress": one.private_ip,
                }
                for one in sessions.managed()
                if not wanted or one.id in wanted
            ]
        }


def _described(session: Session) -> dict[str, Any]:
    return {
        "SessionId": session.session_id,
        "Target": session.target,
        "Status": session.status,
        "StartDate": session.started,
        "EndDate": session.ended,
        "DocumentName": session.document,
        "Owner": session.owner.arn,
        "Reason": session.reason or None,
    }
