"""The connection through Session Manager, with make-believe hosts whose shells run on this machine."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader
from ansible_collections.amazon.aws.plugins.connection import aws_ssm
from ansible_collections.pettracker.aws.plugins.connection import session_manager

from tests.localcloud.conftest import Cloud, eventually
from tests.localcloud.session_targets import CORE, PLUGIN, target

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "pettracker-transfer"
Connect = Callable[..., Any]


@pytest.fixture
def connect(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Call it for a connection with a new host, or with `host`; further arguments are options."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    connection_loader.add_directory(str(ROOT / "collections/ansible_collections/pettracker/aws/plugins/connection"))
    made = []

    def connect(host: str = "", **options: Any) -> Any:
        host = host or target(cloud, CORE)
        play = PlayContext()
        play.remote_addr = host
        made.append(connection_loader.get("session_manager", play))
        access = {"access_key_id": cloud.key.access_key_id, "secret_access_key": cloud.key.secret_access_key}
        made[-1].set_options(direct=access | {"plugin": str(PLUGIN), "bucket_name": BUCKET} | options)
        return made[-1]

    yield connect
    for connection in made:
        connection.close()


def loaded(connection: Any) -> Any:
    """Return the module as Ansible has loaded it, for itself."""
    return sys.modules[type(connection).__module__]


def sessions(cloud: Cloud, state: str = "Active") -> list[str]:
    ended = state == "History"
    return [one.session_id for one in cloud.account.sessions.all() if (one.status == "Terminated") is ended]


def test_it_knows_every_option_of_the_collections_plugin_by_the_same_variables() -> None:
    ours, theirs = (yaml.safe_load(module.DOCUMENTATION)["options"] for module in (session_manager, aws_ssm))
    variables = [{name: option["vars"] for name, option in options.items()} for options in (ours, theirs)]
    assert variables[0] == variables[1] | {"pipelining": [{"name": "ansible_pipelining"}]}


def test_commands_say_what_they_end_with_in_one_session(cloud: Cloud, connect: Connect) -> None:
    connection = connect()
    status, said, _ = connection.exec_command("sh -c 'echo one; echo two; exit 7'")
    assert (status, said.split()) == (7, ["one", "two"])
    assert connection.exec_command("true")[0] == 0
    assert connection.connected
    (session_id,) = sessions(cloud)
    connection.close()
    assert not connection.connected
    assert sessions(cloud, "History") == [session_id]


def test_a_module_goes_to_standard_input_and_leaves_nothing_behind(cloud: Cloud, connect: Connect, tmp_path: Path) -> None:
    module = f"open({str(tmp_path / 'made')!r}, 'w').write('x' * 100000); print('done')".encode() + b"\n" * 300000
    status, said, _ = connect().exec_command("python3 -I", in_data=module)
    assert (status, said.strip()) == (0, "done")
    assert (tmp_path / "made").stat().st_mode & 0o077 == 0o044
    assert not list(Path("/tmp").glob("ansible-" + "?" * 32))
    assert cloud.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_a_module_that_cannot_be_fetched_is_not_run(connect: Connect, tmp_path: Path) -> None:
    connection = connect()
    connection.exec_command("true")
    connection.s3_manager.get_url = lambda *_: "http://127.0.0.1:1/nothing"
    assert connection.exec_command(f"touch {tmp_path / 'run'}", in_data=b"pass")[0] != 0
    assert not (tmp_path / "run").exists()


def test_a_bucket_that_is_not_there_is_named(cloud: Cloud, connect: Connect) -> None:
    with pytest.raises(AnsibleConnectionFailure, match="by the bucket pettracker-none:"):
        connect(bucket_name="pettracker-none").exec_command("true")
    assert sessions(cloud) == []


def test_what_takes_too_long_is_hung_up_and_not_run_again(cloud: Cloud, connect: Connect, tmp_path: Path) -> None:
    connection = connect(ssm_timeout=1, reconnection_retries=3)
    talking = "while sleep 0.2; do echo still here; done"
    for run, command in enumerate(("sleep 300", "printf half; sleep 300", talking), 1):
        with pytest.raises(AnsibleConnectionFailure, match="did not finish within 1 s"):
            connection.exec_command(f"sh -c 'echo begun >> {tmp_path / 'runs'}; {command}'")
        assert (tmp_path / "runs").read_text() == "begun\n" * run
    with pytest.raises(AnsibleConnectionFailure, match="did not finish within 1 s"):
        connection.exec_command("sleep 300", in_data=b"pass")
    assert not list(Path("/tmp").glob("ansible-" + "?" * 32))
    eventually(lambda: sessions(cloud) == [])
    assert connection.exec_command("echo again")[0] == 0


def test_what_takes_ten_minutes_is_not_hung_up(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect()
    assert connection.exec_command("true")[0] == 0
    began, real = time.monotonic(), time.monotonic
    quick = SimpleNamespace(monotonic=lambda: began + 200 * (real() - began), sleep=time.sleep)
    monkeypatch.setattr(loaded(connection), "time", quick)
    status, said, _ = connection.exec_command("sh -c 'sleep 3; echo done'")
    assert (status, said.strip()) == (0, "done")


def test_a_transfer_that_fails_is_not_tried_again(connect: Connect, tmp_path: Path) -> None:
    connection = connect()
    connection.exec_command("true")
    tried = tmp_path / "tried"
    connection.s3_manager.generate_host_commands = lambda *_: (f"sh -c 'echo tried >> {tried}; false'", {})
    with pytest.raises(AnsibleError, match="failed to transfer"):
        connection.put_file(__file__, "/tmp/file")
    assert tried.read_text() == "tried\n"


def test_a_session_that_ends_under_a_command_is_a_failure(cloud: Cloud, connect: Connect, tmp_path: Path) -> None:
    connection = connect()
    with pytest.raises(AnsibleConnectionFailure, match="ended while a command ran"):
        connection.exec_command(f"sh -c 'echo begun >> {tmp_path / 'runs'}'; exit")
    assert (tmp_path / "runs").read_text() == "begun\n"


def test_a_silent_command_is_kept_from_being_ended(cloud: Cloud, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud.account.channels, "_idle", 2.0)
    connection = connect()
    monkeypatch.setattr(loaded(connection), "KEEP_ALIVE_SECONDS", 0.5)
    status, said, _ = connection.exec_command("sh -c 'printf half-a-line-; sleep 4; echo done'")
    assert (status, said.strip()) == (0, "half-a-line-done")


def test_the_loss_of_a_host_is_noticed_under_a_silent_command(
    cloud: Cloud, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect()
    monkeypatch.setattr(loaded(connection), "KEEP_ALIVE_SECONDS", 0.5)
    connection.exec_command("true")
    cloud.agents.instances.clear()
    with pytest.raises(AnsibleConnectionFailure, match="was lost while a command ran"):
        connection.exec_command("sleep 300")


def test_a_host_that_went_down_ends_neither_the_task_nor_the_next_session(cloud: Cloud, connect: Connect) -> None:
    connection = connect(ssm_timeout=1)
    # What becomes of the shell and its parent is what becomes of them on a host that goes down.
    with pytest.raises(AnsibleConnectionFailure, match="did not finish"):
        connection.exec_command("sh -c 'kill -STOP $1; kill -KILL $2 $1' - $PPID $$")
    connection.reset()
    assert connection.exec_command("echo up")[0] == 0


def test_a_session_is_asked_for_again_until_the_agent_is_there(
    cloud: Cloud, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            cloud.agents.instances.add(host)

    host = target(cloud, CORE, agent=False)
    connection = connect(host)
    monkeypatch.setattr(loaded(connection), "time", SimpleNamespace(sleep=wait, monotonic=time.monotonic))
    assert connection.exec_command("true")[0] == 0
    assert waits == [1, 2]
    with pytest.raises(AnsibleConnectionFailure, match="TargetNotConnected"):
        connect(target(cloud, agent=False), reconnection_retries=0).exec_command("true")
    assert len(waits) == 2
    with pytest.raises(AnsibleConnectionFailure, match="InvalidDocument"):
        connect(host, ssm_document="None").exec_command("true")
    assert len(waits) == 2
