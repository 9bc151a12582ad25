"""Command line of the local cloud."""

import os
import shutil
import subprocess
import sys

import click

from localcloud import lifecycle
from localcloud.environment import check_ready
from localcloud.errors import LocalCloudError
from localcloud.interruption import send_interruption
from localcloud.settings import Settings
from localcloud.status import find_host, read, table


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run one AWS account on this machine, with real hosts, for rehearsals and tests.

    Ports: LOCALCLOUD_API_PORT (4566), LOCALCLOUD_HTTPS_PORT (8443), LOCALCLOUD_HTTP_PORT (8080).
    LOCALCLOUD_REFRESH_PATIENCE (3600): seconds that an instance refresh waits for instances that do not get ready.
    LOCALCLOUD_VCPU_QUOTA (256): vCPUs that may run at once, on each market.
    LOCALCLOUD_ROUTING_DELAY (1): seconds until the balancer does what the API says of targets, rules and weights.
    LOCALCLOUD_SESSION_IDLE (1200): seconds after which Session Manager ends a session in which nobody says anything.
    LOCALCLOUD_BOOT_DELAY (0): seconds that a new instance boots before its host is there.
    LOCALCLOUD_THROTTLE (0): of so many calls of EC2, IAM and Auto Scaling one is throttled.
    LOCALCLOUD_CONSISTENCY_DELAY (1): seconds until EC2 shows what was just made, and knows a new role or instance profile.
    """


@main.command()
@click.option("--api-only", is_flag=True, help="Serve only the API, in the foreground: no hosts, no root, no files.")
def up(api_only: bool) -> None:
    """Start the local cloud and wait until it answers."""
    settings = Settings.from_environment()
    if api_only:
        os.execv(sys.executable, [sys.executable, "-m", "localcloud.api_only"])  # noqa: S606 - no shell is wanted
    lifecycle.up(settings, click.echo)


@main.command()
def down() -> None:
    """Take the local cloud down and remove every trace but the cache."""
    lifecycle.down(Settings.from_environment(), click.echo)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def status(as_json: bool) -> None:
    """Show what runs where."""
    current = read(Settings.from_environment())
    click.echo(current.as_json() if as_json else table(current))


@main.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("-n", "--lines", default=100, show_default=True, help="How many lines to begin with.")
@click.argument("host", required=False)
def logs(follow: bool, lines: int, host: str | None) -> None:
    """Show the cloud's own log, or the journal of HOST (instance id, name or address)."""
    settings = Settings.from_environment()
    follow_flag = ["-f"] if follow else []
    if host is None:
        if not settings.log_file.exists():
            raise LocalCloudError("There is no log: the local cloud of this clone is not running.")
        command = ["tail", "-n", str(lines), *follow_flag, str(settings.log_file)]
        sys.exit(subprocess.run(command, check=False).returncode)
    instance_id = find_host(read(settings), host).instance_id
    _podman(settings, ["exec", instance_id, "journalctl", "--no-pager", "-n", str(lines), *follow_flag])


@main.command()
@click.argument("host")
def shell(host: str) -> None:
    """Open a root shell on HOST (instance id, name or address)."""
    settings = Settings.from_environment()
    instance_id = find_host(read(settings), host).instance_id
    terminal = ["--tty"] if sys.stdin.isatty() else []
    _podman(settings, ["exec", "--interactive", *terminal, instance_id, "bash", "--login"])


@main.command()
@click.argument("host")
def interrupt(host: str) -> None:
    """Give HOST (instance id, name or address) a Spot interruption notice; two minutes later it is terminated."""
    settings = Settings.from_environment()
    instance_id = find_host(read(settings), host).instance_id
    send_interruption(settings, instance_id)
    click.echo(f"{instance_id} has its notice, and ends in two minutes.")


@main.command()
def env() -> None:
    """Print the variables that point AWS clients at the cloud, for `eval`."""
    settings = Settings.from_environment()
    check_ready(settings)
    click.echo(settings.env_file.read_text(), nl=False)


def _podman(settings: Settings, arguments: list[str]) -> None:
    """Become podman with the cloud's storage. Raises LocalCloudError without root or podman."""
    if os.geteuid() != 0:
        raise LocalCloudError("Hosts belong to root: run this with sudo or as root.")
    podman = shutil.which("podman")
    if podman is None:
        raise LocalCloudError("podman is not installed: apt-get install podman, then try again.")
    configuration = {"CONTAINERS_CONF": str(settings.containers_conf), "CONTAINERS_STORAGE_CONF": str(settings.storage_conf)}
    os.execve(podman, ["podman", *arguments], os.environ | configuration)  # noqa: S606 - no shell is wanted
