"""The sessions of the account: who may start one with which host, what state it is in, and how it ends.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_StartSession.html and the other operations on sessions.
"""

import contextlib
import secrets
import socket
import threading
from dataclasses import dataclass, field
from typing import Any

from localcloud import backends, settings
from localcloud.access import policies
from localcloud.access.keys import role_principal
from localcloud.access.policies import Principal
from localcloud.sessions.agents import Agents

SHELL = "SSM-SessionManagerRunShell"
PORT = "AWS-StartPortForwardingSession"
# Sessions that ended are shown for thirty days; a rehearsal needs fewer.
HISTORY = 500


class SessionError(Exception):
    """A refusal, with the code that AWS gives it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class Session:
    """One session; `status` is a value of SessionStatus in the API."""

    session_id: str
    target: str
    owner: Principal
    document: str
    port: int
    local_port: int
    token: str
    status: str = "Connecting"
    closing: threading.Event = field(default_factory=threading.Event)
    # The connections of its clients, which end with it.
    clients: set[socket.socket] = field(default_factory=set)

    @property
    def arn(self) -> str:
        """What policies name it by."""
        return f"arn:aws:ssm:{settings.REGION}:{settings.ACCOUNT_ID}:session/{self.session_id}"

    @property
    def tags(self) -> dict[str, str]:
        """What Session Manager tags it with, for policies.

        https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-restrict-access-examples.html, example 4
        """
        return {"aws:ssmmessages:session-id": self.owner.user_id, "aws:ssmmessages:target-id": self.target}


class Sessions:
    """All sessions. `stream` is where their data channels are served; methods may be called from any thread."""

    def __init__(self, agents: Agents) -> None:
        self.agents = agents
        self.stream = ""
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def start(self, target: str, caller: Principal, document: str, parameters: dict[str, list[str]]) -> Session:
        """Start a session. Raises SessionError as StartSession fails, first of all where the caller may not."""
        self.authorise_target(target, caller, "ssm:StartSession")
        _authorise(caller, "ssm:StartSession", _document_arn(document), {})
        if document not in {SHELL, PORT}:
            raise SessionError("InvalidDocument", f"Document with name {document} does not exist.")
        port, local_port = (_port(parameters, name) for name in ("portNumber", "localPortNumber"))
        instance = backends.ec2().get_instance_by_id(target)
        if instance is None or not self.connected(instance):
            raise SessionError("TargetNotConnected", f"{target} is not connected.")
        session = Session(
            session_id=f"{caller.name}-{secrets.token_hex(9)[:17]}",
            target=target,
            owner=caller,
            document=document,
            port=port or 80,
            local_port=local_port,
            token=secrets.token_urlsafe(32),
        )
        with self._lock:
            self._sessions[session.session_id] = session
            for forgotten in list(self._sessions)[:-HISTORY]:
                if self._sessions[forgotten].status == "Terminated":
                    del self._sessions[forgotten]
        return session

    def authorise_target(self, target: str, caller: Principal, action: str) -> None:
        """Raise SessionError unless the caller may do this with an instance, by its ARN and its tags.

        https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-restrict-access-examples.html, example 3
        """
        tags = dict(backends.ec2().tags.get(target, {}))
        arn = f"arn:aws:ec2:{settings.REGION}:{settings.ACCOUNT_ID}:instance/{target}"
        _authorise(caller, action, arn, _tagged("aws:ResourceTag", tags) | _tagged("ssm:resourceTag", tags))

    def resume(self, session_id: str, caller: Principal) -> Session:
        """Give a session that is not terminated another token, so that a client can come back. Raises SessionError."""
        session = self._find(session_id)
        _authorise(caller, "ssm:ResumeSession", session.arn, _tagged("ssm:resourceTag", session.tags))
        if session.status == "Terminated":
            raise SessionError("DoesNotExistException", f"Session {session_id} does not exist.")
        session.token = secrets.token_urlsafe(32)
        return session

    def terminate(self, session_id: str, caller: Principal) -> None:
        """End a session for good.

        Raises SessionError. One that is disconnected, or has ended, is refused: ansible-collections/amazon.aws, issue 3044.
        """
        session = self._find(session_id)
        _authorise(caller, "ssm:TerminateSession", session.arn, _tagged("ssm:resourceTag", session.tags))
        if session.status not in {"Connecting", "Connected"}:
            raise SessionError("ValidationException", f"Session {session_id} is not in a valid state.")
        self.close(session)

    def close(self, session: Session) -> None:
        """Note that a session has ended, and close its data channels."""
        session.status = "Terminated"
        session.closing.set()
        for client in list(session.clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close_all(self) -> None:
        """End what still runs."""
        for session in self.all():
            self.close(session)

    def all(self) -> list[Session]:
        """Every session that is remembered, the newest first."""
        with self._lock:
            return list(reversed(self._sessions.values()))

    def by_token(self, token: str) -> Session | None:
        """Return the session that a client may take up with this token."""
        matches = (one for one in self.all() if one.status != "Terminated" and secrets.compare_digest(one.token, token))
        return next(matches, None)

    def connected(self, instance: Any) -> bool:
        """Tell whether a session with an instance can start."""
        return instance.state == "running" and _may_register(instance.id) and self.agents.online(instance.id)

    def _find(self, session_id: str) -> Session:
        with self._lock:
            session = self._sessions.get(session_id)
        if session is None:
            raise SessionError("DoesNotExistException", f"Session {session_id} does not exist.")
        return session


def _tagged(prefix: str, tags: dict[str, str]) -> dict[str, str]:
    """Return the condition keys that tags are for policies."""
    return {f"{prefix}/{key}": value for key, value in tags.items()}


def _document_arn(document: str) -> str:
    """Return what policies name a document by; AWS's own are nobody's: https://github.com/basti-app/basti/pull/74."""
    account = "" if document.startswith("AWS-") else settings.ACCOUNT_ID
    return f"arn:aws:ssm:{settings.REGION}:{account}:document/{document}"


def _authorise(caller: Principal, action: str, arn: str, context: dict[str, str]) -> None:
    """Raise SessionError unless the caller's policies allow the action.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
    """
    asked = policies.Request(action, arn, context)
    decision = policies.decide(caller, asked)
    if not decision.allowed:
        raise SessionError("AccessDeniedException", policies.refusal(caller, asked, decision))


def _port(parameters: dict[str, list[str]], name: str) -> int:
    """Return a port of the parameters, 0 if none is named. Raises SessionError."""
    text = (parameters.get(name) or ["0"])[0]
    if not text.isdecimal() or int(text) > 65535:
        raise SessionError("ValidationException", f"Parameter {name} has an invalid value: {text}")
    return int(text)


def _may_register(instance_id: str) -> bool:
    """Tell whether an instance's role lets the agent open data channels, as AmazonSSMManagedInstanceCore does."""
    association = backends.ec2().iam_instance_profile_associations.get(instance_id)
    roles = association.iam_instance_profile.roles if association else []
    opening = policies.Request("ssmmessages:CreateDataChannel")
    return any(policies.decide(role_principal(role), opening).allowed for role in roles)
