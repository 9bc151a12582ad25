"""The command line: what a person is told when something stands in the way, and what `status` shows."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from localcloud import cleanup, cli, lifecycle, status
from localcloud.errors import LocalCloudError
from localcloud.lock import MachineLock
from localcloud.ports import check_free
from localcloud.settings import Settings
from localcloud.status import HostStatus, Status, find_host, table
from tests.localcloud.conftest import Cloud, eventually

HOST = HostStatus("i-0a", "service", "pettracker-local", "us-east-1a", "10.0.10.4", "running", "healthy", "service-1")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A clone of its own with a lock of its own, on a machine where everything is installed."""
    one = Settings(root=tmp_path / "clone", lock_file=tmp_path / "lock", run_dir=tmp_path / "run")
    monkeypatch.setattr(Settings, "from_environment", classmethod(lambda *_: one))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(lifecycle.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    return one


def refusal(*arguments: str) -> str:
    """Run a command that must fail with a message and without a traceback; return the message."""
    result = CliRunner().invoke(cli.main, list(arguments))
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result.output


def holder_in_another_process(lock_file: Path, root: Path) -> subprocess.Popen[str]:
    """Start a process that holds the lock, as the daemon of `root` would."""
    program = (
        "import sys, time; from pathlib import Path; from localcloud.lock import MachineLock;"
        "MachineLock(Path(sys.argv[1])).acquire(Path(sys.argv[2])); print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(lock_file), str(root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_command_line_starts_without_the_account() -> None:
    """The account is moto, which takes seconds to import, and only the daemon has one."""
    program = "import sys, localcloud.cli; print('moto' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_up_without_root_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "needs root" in refusal("up")


def test_up_without_its_tools_names_their_packages(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle.shutil, "which", lambda _: None)
    message = refusal("up")
    assert "apt-get install" in message
    assert {"podman", "haproxy", "debootstrap"} <= set(message.replace(",", " ").split())


def test_a_second_cloud_on_the_machine_is_told_whose_the_first_is(settings: Settings) -> None:
    other = holder_in_another_process(settings.lock_file, Path("/home/ada/pettracker-ml"))
    try:
        message = refusal("up")
        assert "/home/ada/pettracker-ml" in message
        assert str(other.pid) in message
    finally:
        other.kill()
        other.wait()


def test_up_while_it_runs_says_where_things_are(settings: Settings) -> None:
    settings.state_dir.mkdir(parents=True)
    settings.ready_file.write_text("{}")
    process = holder_in_another_process(settings.lock_file, settings.root)
    try:
        result = CliRunner().invoke(cli.main, ["up"])
        assert result.exit_code == 0
        assert "already running" in result.output
        assert settings.endpoint in result.output
    finally:
        process.kill()
        process.wait()


def test_a_daemon_that_fails_tells_why_at_up(settings: Settings) -> None:
    settings.root.mkdir()
    package = settings.root / "localcloud"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "daemon.py").write_text("print('Packing', flush=True)\nprint('error: no more disk', flush=True)\n")
    settings.state_dir.mkdir(mode=0o755)  # of an earlier version, or of whoever made it
    assert "no more disk" in refusal("up")
    assert stat.S_IMODE(settings.state_dir.stat().st_mode) == 0o700
    (package / "daemon.py").write_text("import sys\nsys.stderr.write('segmentation whatever')\n")
    assert "segmentation whatever" in refusal("up")


@pytest.mark.parametrize("command", [["status"], ["env"], ["logs"], ["logs", "i-0a"], ["shell", "i-0a"]])
def test_commands_on_a_cloud_that_does_not_run_say_so(settings: Settings, command: list[str]) -> None:
    assert "not running" in refusal(*command)


def test_status_of_a_killed_cloud_says_what_to_do(settings: Settings) -> None:
    settings.state_dir.mkdir(parents=True)
    settings.ready_file.write_text('{"since": 0}')
    assert "make rehearse-down" in refusal("status")


def test_a_busy_port_is_named_with_its_holder_and_variable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalCloudError) as caught:
            check_free(Settings(root=tmp_path, https_port=port, api_port=1, http_port=2))
    assert f"Port {port} of 127.0.0.1 is taken" in caught.value.message
    assert "LOCALCLOUD_HTTPS_PORT" in caught.value.message


def test_a_lock_whose_holder_was_killed_is_free_and_tells_who_it_was(tmp_path: Path) -> None:
    lock = MachineLock(tmp_path / "lock")
    process = holder_in_another_process(tmp_path / "lock", Path("/somewhere"))
    holder = lock.holder()
    assert holder is not None
    assert holder.pid == process.pid
    with pytest.raises(LocalCloudError, match="/somewhere"):
        lock.acquire(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert lock.holder() is None
    lock.acquire(tmp_path)
    assert lock.previous == holder
    lock.release()
    assert not (tmp_path / "lock").exists()


def test_a_process_is_ended_only_if_it_is_the_right_one() -> None:
    program = "import time; print('ready', flush=True); time.sleep(60)  # marked"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    cleanup.end_process(process.pid, "another mark", grace=1)
    assert process.poll() is None
    begin = time.monotonic()
    cleanup.end_process(process.pid, "# marked", grace=5)
    assert process.wait(1) == -signal.SIGTERM
    assert time.monotonic() - begin < 4


def test_status_shows_hosts_as_a_table_and_as_json(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    current = Status("http://127.0.0.1:4566", "https://localhost:8443", 75, (HOST,))
    monkeypatch.setattr(cli, "read", lambda _: current)
    text = CliRunner().invoke(cli.main, ["status"]).output
    assert "Up for    1 min 15 s" in text
    assert "i-0a      service  pettracker-local  us-east-1a  10.0.10.4  running  healthy  service-1" in text
    document = json.loads(CliRunner().invoke(cli.main, ["status", "--json"]).output)
    assert document["hosts"][0]["health"] == "healthy"
    assert "No hosts yet." in table(replace(current, hosts=()))


def test_a_host_is_found_by_id_name_or_address() -> None:
    twin = replace(HOST, instance_id="i-0b", address="10.0.11.4")
    current = Status("", "", 0, (HOST, twin))
    assert find_host(current, "i-0a") is HOST
    assert find_host(current, "10.0.11.4") is twin
    with pytest.raises(LocalCloudError, match="2 hosts are called pettracker-local"):
        find_host(current, "pettracker-local")
    with pytest.raises(LocalCloudError, match="There are: i-0a, i-0b"):
        find_host(current, "i-0c")


def test_status_reads_the_running_account(cloud: Cloud, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "client", lambda _, service: cloud.client(service))
    settings.state_dir.mkdir(parents=True)
    settings.ready_file.write_text(json.dumps({"since": time.time() - 5}))
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Role", "Value": "builder"}]}]
    cloud.client("ec2").run_instances(
        ImageId=cloud.base_image, InstanceType="t3.large", MinCount=1, MaxCount=1, TagSpecifications=tags
    )
    process = holder_in_another_process(settings.lock_file, settings.root)
    try:
        current = eventually(lambda: status.read(settings))
    finally:
        process.kill()
        process.wait()
    (host,) = current.hosts
    assert (host.role, host.health) == ("builder", "")
    assert host.image.startswith("debian-12-amd64-")
    assert current.service_url == ""
    assert current.uptime >= 5
