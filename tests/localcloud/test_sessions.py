"""Session Manager of the local cloud: who gets in, what a session is, and how it ends."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from localcloud.settings import Settings
from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.session_targets import CORE, as_role, joined, target


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        call()
    return str(refusal.value.response["Error"]["Code"])


def status(cloud: Cloud, session_id: str) -> str:
    return next(one.status for one in cloud.account.sessions.all() if one.session_id == session_id)


def read_until(process: Any, mark: str) -> str:
    """Read what the client prints up to `mark`, which must not stand in what was typed: the terminal echoes that."""
    said = ""
    while mark not in said:
        character = process.stdout.read(1)
        assert character, f"ended after {said!r}"
        said += character
    return said


@pytest.fixture
def host(cloud: Cloud) -> str:
    return target(cloud, CORE)


def test_a_shell_runs_what_is_typed_and_its_end_ends_the_session(cloud: Cloud, host: str) -> None:
    answer = cloud.client("ssm").start_session(Target=host)
    with joined(cloud, answer) as process:
        assert f"Starting session with SessionId: {answer['SessionId']}" in read_until(process, answer["SessionId"])
        process.stdin.write("echo from-$HOST; test -t 0 && echo a-term''inal\n")
        assert f"from-{host}" in read_until(process, "a-terminal")
        assert status(cloud, answer["SessionId"]) == "Connected"
        process.stdin.write("exit\n")
        assert process.wait(timeout=30) == 0
        assert f"Exiting session with sessionId: {answer['SessionId']}." in process.stdout.read()
    assert status(cloud, answer["SessionId"]) == "Terminated"


@pytest.mark.parametrize(("policies", "agent"), [([], True), ([CORE], False)])
def test_a_host_without_the_permission_or_without_its_agent_is_not_connected(
    cloud: Cloud, policies: list[str], agent: bool
) -> None:
    ssm, host = cloud.client("ssm"), target(cloud, *policies, agent=agent)
    assert code_of(lambda: ssm.start_session(Target=host)) == "TargetNotConnected"
    assert ssm.get_connection_status(Target=host)["Status"] == "notconnected"


def test_a_stopped_host_is_not_connected(cloud: Cloud, host: str) -> None:
    assert cloud.client("ssm").get_connection_status(Target=host)["Status"] == "connected"
    cloud.client("ec2").stop_instances(InstanceIds=[host])
    cloud.client("ec2").describe_instances(InstanceIds=[host])
    assert code_of(lambda: cloud.client("ssm").start_session(Target=host)) == "TargetNotConnected"


def test_terminating_ends_the_shell_and_its_client_and_is_refused_afterwards(cloud: Cloud, host: str) -> None:
    ssm = cloud.client("ssm")
    answer = ssm.start_session(Target=host)
    with joined(cloud, answer) as process:
        process.stdin.write("echo $$-is-it; sleep 600\n")
        shell = int(read_until(process, "-is-it\n").split()[-1].split("-")[0])
        assert ssm.terminate_session(SessionId=answer["SessionId"])["SessionId"] == answer["SessionId"]
        assert process.wait(timeout=30) == 0
        eventually(lambda: not _runs(shell))
    assert code_of(lambda: ssm.terminate_session(SessionId=answer["SessionId"])) == "ValidationException"
    assert code_of(lambda: ssm.terminate_session(SessionId="nobody-0123456789abcdef0")) == "DoesNotExistException"


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_client_that_was_cut_off_comes_back_to_the_same_shell_with_a_new_token(cloud: Cloud, host: str) -> None:
    ssm = cloud.client("ssm")
    answer = ssm.start_session(Target=host)
    with joined(cloud, answer) as process:
        process.stdin.write("kept=the-same; echo re''ady\n")
        read_until(process, "ready")
    eventually(lambda: status(cloud, answer["SessionId"]) == "Disconnected")
    # https://github.com/ansible-collections/amazon.aws/issues/3044
    assert code_of(lambda: ssm.terminate_session(SessionId=answer["SessionId"])) == "ValidationException"
    again = ssm.resume_session(SessionId=answer["SessionId"])
    with joined(cloud, answer) as stale:
        assert stale.wait(timeout=30) == 255
    with joined(cloud, again, through_variable=True) as process:
        process.stdin.write("echo $kept-shell\n")
        read_until(process, "the-same-shell")
        process.stdin.write("exit\n")
        process.wait(timeout=30)
    assert code_of(lambda: ssm.resume_session(SessionId=answer["SessionId"])) == "DoesNotExistException"


def test_the_client_of_a_host_that_reboots_is_told_nothing_and_the_session_cannot_be_terminated(
    cloud: Cloud, host: str
) -> None:
    ssm = cloud.client("ssm")
    answer = ssm.start_session(Target=host)
    with joined(cloud, answer) as process:
        # What became of the shell's parent is what becomes of it on a host that goes down.
        process.stdin.write("kill -KILL $PPID\n")
        eventually(lambda: status(cloud, answer["SessionId"]) == "Disconnected")
        assert process.poll() is None
        assert code_of(lambda: ssm.terminate_session(SessionId=answer["SessionId"])) == "ValidationException"


def test_a_session_in_which_nobody_says_anything_ends(cloud: Cloud, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.account.channels, "_idle", 0.5)
    answer = cloud.client("ssm").start_session(Target=host)
    with joined(cloud, answer) as process:
        assert process.wait(timeout=30) == 0
    assert status(cloud, answer["SessionId"]) == "Terminated"
    # https://docs.aws.amazon.com/systems-manager/latest/userguide/session-preferences-timeout.html
    assert Settings.from_environment({}).session_idle == 20 * 60


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a service that gives back all that it was sent, once the sender has ended."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as file:
                file.write(file.read())

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_port_comes_to_this_machine_for_as_long_as_the_session(cloud: Cloud, host: str, echo: int) -> None:
    ssm = cloud.client("ssm")
    parameters = {"portNumber": [str(echo)], "localPortNumber": ["0"]}
    answer = ssm.start_session(Target=host, DocumentName="AWS-StartPortForwardingSession", Parameters=parameters)
    sent = bytes(range(256)) * 1000
    with joined(cloud, answer) as process:
        port = int(read_until(process, "Waiting for connections").split("Port ")[1].split()[0])
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as client, client.makefile("rb") as back:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                assert back.read() == sent
        ssm.terminate_session(SessionId=answer["SessionId"])
        assert process.wait(timeout=30) == 0


def test_documents_and_ports_that_are_none_are_refused(cloud: Cloud, host: str) -> None:
    start = cloud.client("ssm").start_session
    assert code_of(lambda: start(Target=host, DocumentName="AWS-StartSSHSession")) == "InvalidDocument"
    parameters = {"portNumber": ["eighty"]}
    document = "AWS-StartPortForwardingSession"
    assert code_of(lambda: start(Target=host, DocumentName=document, Parameters=parameters)) == "ValidationException"


# https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-restrict-access-examples.html, example 4
OWN_BY_TAG = {"Resource": "*", "Condition": {"StringLike": {"ssm:resourceTag/aws:ssmmessages:session-id": ["${aws:userid}"]}}}
OWN_BY_NAME = {"Resource": "arn:aws:ssm:*:*:session/${aws:userid}-*"}


@pytest.mark.parametrize(("statement", "code"), [(OWN_BY_TAG, None), (OWN_BY_NAME, "AccessDeniedException")])
def test_a_role_ends_its_own_sessions_by_their_tag_and_not_by_a_name_they_do_not_have(
    cloud: Cloud, host: str, statement: dict[str, Any], code: str | None
) -> None:
    role = role_session(cloud, statement)
    session_id = role.start_session(Target=host)["SessionId"]
    foreign = cloud.client("ssm").start_session(Target=host)["SessionId"]
    assert code_of(lambda: role.terminate_session(SessionId=foreign)) == "AccessDeniedException"
    if code is None:
        role.terminate_session(SessionId=session_id)
    else:
        assert code_of(lambda: role.terminate_session(SessionId=session_id)) == code


def role_session(cloud: Cloud, statement: dict[str, Any]) -> Any:
    """Return a client with a session of a role that may start sessions, and end them as `statement` says."""
    start = {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*"}
    end = {"Effect": "Allow", "Action": "ssm:TerminateSession"} | statement
    return as_role(cloud, [{"Version": "2012-10-17", "Statement": [start, end]}])
