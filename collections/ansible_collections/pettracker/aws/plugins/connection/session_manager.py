"""Enters a host through Session Manager as amazon.aws.aws_ssm does, and runs no command twice.

The collection's plugin kills what takes longer than its timeout and then runs it again, up to four times; its option
against that is read before variables reach it. It ends a task when the session of a host that reboots cannot be
terminated (ansible-collections/amazon.aws, issue 3044), starts a session for each item of a loop, and enters a host four
times for a module. Here a module goes to the interpreter's standard input, by way of the bucket: a terminal is no place
for a hundred kilobytes.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import time
import uuid
from collections.abc import Iterator
from typing import Any

import botocore.exceptions
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.utils.display import Display
from ansible_collections.amazon.aws.plugins.connection import aws_ssm
from ansible_collections.amazon.aws.plugins.plugin_utils.ssm.s3clientmanager import generate_encryption_settings
from ansible_collections.amazon.aws.plugins.plugin_utils.ssm.sessionmanager import SSMSessionManager

DOCUMENTATION = """
author: PetTracker ML
name: session_manager
short_description: Enters an EC2 instance through Session Manager, and runs nothing twice
description:
  - amazon.aws.aws_ssm with pipelining. A command that has begun is never run again.
  - The host needs the SSM agent, curl and an interpreter; the controller needs AWS's session-manager-plugin.
options:
  access_key_id: {vars: [{name: ansible_aws_ssm_access_key_id}], env: [{name: AWS_ACCESS_KEY_ID}], description: "Access key for
    Session Manager and S3."}
  secret_access_key: {vars: [{name: ansible_aws_ssm_secret_access_key}], env: [{name: AWS_SECRET_ACCESS_KEY}],
    description: Secret of the access key.}
  session_token: {vars: [{name: ansible_aws_ssm_session_token}], env: [{name: AWS_SESSION_TOKEN}], description: "Token of the
    caller's own session, as roles have one."}
  profile:
    {vars: [{name: ansible_aws_ssm_profile}], env: [{name: AWS_PROFILE}], description: "Profile of AWS's configuration files."}
  region: {default: us-east-1, vars: [{name: ansible_aws_ssm_region}], env: [{name: AWS_REGION}, {name: AWS_DEFAULT_REGION}],
    description: Region of the instance.}
  instance_id: {vars: [{name: ansible_aws_ssm_instance_id}], description: "The instance; the host's address if not given."}
  plugin: {vars: [{name: ansible_aws_ssm_plugin}], env: [{name: AWS_SESSION_MANAGER_PLUGIN}], description: "Path of
    session-manager-plugin; /usr/local/bin or PATH if not given."}
  ssm_document:
    {vars: [{name: ansible_aws_ssm_document}], description: "Session document; Session Manager's own shell if not given."}
  ssm_timeout: {type: integer, default: 3600, vars: [{name: ansible_aws_ssm_timeout}], description: "Seconds that a command may
    take. One that takes longer is hung up, and the task fails."}
  reconnection_retries: {type: integer, default: 3, vars: [{name: ansible_aws_ssm_retries}], description: "How many more times a
    session is started when none comes about."}
  bucket_name: {vars: [{name: ansible_aws_ssm_bucket_name}], description: "Bucket by way of which files and modules travel."}
  bucket_endpoint_url: {vars: [{name: ansible_aws_ssm_bucket_endpoint_url}], description: "Endpoint of the bucket."}
  bucket_sse_mode: {choices: [AES256, 'aws:kms'], vars: [{name: ansible_aws_ssm_bucket_sse_mode}], description: "Encryption of
    what travels; the bucket's own if not given."}
  bucket_sse_kms_key_id: {vars: [{name: ansible_aws_ssm_bucket_sse_kms_key_id}], description: "Key of that encryption."}
  s3_addressing_style: {choices: [path, virtual, auto], default: auto, vars: [{name: ansible_aws_ssm_s3_addressing_style}],
    description: Whether the bucket is named in the host part or in the path of its addresses.}
  pipelining: {type: boolean, default: true, vars: [{name: ansible_pipelining}], description: "Whether modules go to the
    interpreter's standard input, and leave no file behind."}
"""

# Seconds in which a session has to come about.
START_SECONDS = 30
# Seconds after which something is typed: Session Manager ends a session without it, after one minute at the earliest.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/session-preferences-timeout.html
KEEP_ALIVE_SECONDS = 45
# A session that is over need not be ended, nor can one that is cut off be.
OVER = {"ValidationException", "DoesNotExistException"}
HINTS = {
    "TargetNotConnected": " Its agent may not run (yet), its role lack the actions of ssmmessages, or its subnet a way out."
}
AWS_ERRORS = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)

display = Display()


class Session(SSMSessionManager):
    """A session that is kept from being ended while a command runs in it."""

    command_timeout = START_SECONDS
    _asking_is_denied = False

    def lines(self) -> Iterator[bytes]:
        """Yield what the terminal says, line by line, until the session ends.

        Raises AnsibleConnectionFailure after `command_timeout` seconds, and when the host is not connected any more.
        """
        began = typed = time.monotonic()
        rest = b""
        while True:
            now = time.monotonic()
            if now - began > self.command_timeout:
                raise AnsibleConnectionFailure(f"{self.instance_id} did not finish within {self.command_timeout} s.")
            if now - typed > KEEP_ALIVE_SECONDS:
                self._type_an_empty_line()
                typed = now
            if self.poll_stdout():  # waits for a second
                try:
                    said = os.read(self.stdout.fileno(), 65536)
                except OSError:  # Linux says so when the other side of a terminal is closed
                    return
                if not said:
                    return
                *whole, rest = (rest + said).split(b"\n")
                yield from (line + b"\n" for line in whole)
            elif self.session.poll() is not None:
                return

    def _type_an_empty_line(self) -> None:
        self.stdin_write(b"\n")  # for the shell, whose turn comes after the command
        try:
            status = self._client.get_connection_status(Target=self.instance_id)["Status"]
        except AWS_ERRORS as error:
            if not self._asking_is_denied:
                display.warning(f"Nobody would notice the loss of {self.instance_id}: {error}")
            self._asking_is_denied = True
            return
        if status != "connected":
            raise AnsibleConnectionFailure(f"{self.instance_id} was lost while a command ran on it.")

    def end(self) -> None:
        """End the session and what runs in it. Raises botocore's errors of TerminateSession."""
        try:
            if self._session_id is not None:
                # While it is connected: afterwards AWS refuses to.
                self._client.terminate_session(SessionId=self._session_id)
        finally:
            if self.session is not None:
                self.session.kill()
                self.session.wait()
                self.stdout.close()


class Connection(aws_ssm.Connection):
    """One session with one instance, for one task and all items of its loop."""

    transport = "session_manager"
    has_pipelining = True

    def _connect(self) -> Connection:
        self.reconnection_retries = int(self.get_option("reconnection_retries"))
        super()._connect()
        self._connected = True
        return self

    def start_session(self) -> None:
        """Start a session. Raises AnsibleConnectionFailure when none comes about after all retries."""
        if self.session_manager is not None:
            return
        try:
            executable = self.get_executable()
        except AnsibleError as error:
            raise AnsibleError(
                f"{error} Hosts are entered by AWS's Session Manager plugin; see docs/start-on-aws.md."
            ) from error
        with self._naming_the_bucket():
            self._init_clients()
        self.file_transfer_manager.reconnection_retries = 0  # a transfer is a command, too
        for attempt in range(self.reconnection_retries + 1):
            try:
                self._try_to_start(executable)
                return
            except (AnsibleConnectionFailure, *AWS_ERRORS, OSError) as error:
                self.close()
                failure = f"Session Manager does not enter {self.instance_id}: {error}{HINTS.get(_code(error), '')}"
                # An agent that has just started is not connected for some seconds.
                if attempt == self.reconnection_retries or _code(error) not in {"", "TargetNotConnected"}:
                    raise AnsibleConnectionFailure(failure) from error
                self.verbosity_display(2, failure)
                time.sleep(2**attempt)

    def _try_to_start(self, executable: str) -> None:
        session = Session(self.ssm_client, self.instance_id, START_SECONDS, self.verbosity_display)
        self.session_manager = session
        session.start_session(
            executable=executable,
            document_name=self.get_option("ssm_document"),
            region_name=self.get_option("region"),
            profile_name=self.get_option("profile") or "",
        )
        self.terminal_manager.prepare_terminal()
        session.stdin_write(b"PS2=\n")
        session.command_timeout = int(self.get_option("ssm_timeout"))

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, str, str]:
        """Run a command, once; with `in_data`, as its standard input.

        Raises AnsibleConnectionFailure when the session ends before the command does: what became of it nobody knows.
        """
        if in_data is not None:
            with self._on_host(in_data) as (fetch, path):
                # In lines of their own: a terminal takes no more than 4095 characters in one, and an address has up to 2000.
                # Removed before it runs: whatever ends the command, arguments are not left behind.
                return self.exec_command(f"(\n{fetch} || exit\nexec <{path}; rm -f {path}\n{cmd}\n)")
        try:
            # Under the collection's decorator, which would run the command again.
            status, stdout, stderr = aws_ssm.Connection.exec_command.__wrapped__(self, cmd, None, sudoable)
        except AnsibleConnectionFailure:
            self.close()
            raise
        except (OSError, ValueError, IndexError):  # the terminal was closed, maybe in the middle of a line
            status = None
        if status is None:
            self.close()
            raise AnsibleConnectionFailure(f"The session with {self.instance_id} ended while a command ran in it.")
        return status, stdout, stderr

    def exec_communicate(self, cmd: str, mark_start: str, mark_begin: str, mark_end: str) -> tuple[Any, str, str]:
        """Return status, output and errors of a command between its marks; a status of None when the session ended first.

        Raises AnsibleConnectionFailure as Session.lines does.
        """
        said: list[str] | None = None
        for line in self.session_manager.lines():
            text = aws_ssm.filter_ansi(line, False)
            if said is None:
                said = [] if mark_start in text else None
            elif mark_end in text:
                status, stdout = self._post_process("".join(said), mark_begin)
                return status, stdout, self.session_manager.flush_stderr()
            else:
                said.append(text)
        return None, "", ""

    @contextlib.contextmanager
    def _on_host(self, data: bytes) -> Iterator[tuple[str, str]]:
        """Put `data` into the bucket while the block runs; yield the command that fetches it, and the path it gets."""
        if not self._connected:
            self._connect()
        bucket, name = self.get_option("bucket_name"), uuid.uuid4().hex
        key, path = f"{self.instance_id}/{name}", f"/tmp/ansible-{name}"  # noqa: S108 - nobody can guess it
        encryption, _ = generate_encryption_settings(
            self.get_option("bucket_sse_mode"), self.get_option("bucket_sse_kms_key_id")
        )
        with self._naming_the_bucket():
            self.s3_client.put_object(Bucket=bucket, Key=key, Body=data, **encryption)
        try:
            url = self.s3_manager.get_url("get_object", bucket, key, "GET")
            yield (f"(umask 077; curl --fail --silent --show-error --retry 3 --output {path} \\\n{shlex.quote(url)})", path)
        finally:
            try:
                self.s3_client.delete_object(Bucket=bucket, Key=key)
            except AWS_ERRORS as error:  # the command has run, whatever becomes of this
                display.warning(f"s3://{bucket}/{key} was left behind: {error}")

    @contextlib.contextmanager
    def _naming_the_bucket(self) -> Iterator[None]:
        try:
            yield
        except AWS_ERRORS as error:
            bucket = self.get_option("bucket_name")
            raise AnsibleConnectionFailure(f"Modules cannot travel to hosts by the bucket {bucket}: {error}") from error

    def close(self) -> None:
        """End the session; one that cannot be ended is left to Session Manager, which ends it when nobody says anything."""
        session: Session | None = self.session_manager
        self.session_manager = None  # type: ignore[assignment]
        self._connected = False
        if session is None:
            return
        try:
            session.end()
        except (*AWS_ERRORS, OSError) as error:
            if _code(error) not in OVER:
                display.warning(f"A session with {self.instance_id} was not ended: {error}")


def _code(error: Exception) -> str:
    """Return AWS's code of an error; empty for another one."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
