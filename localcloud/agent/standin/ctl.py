"""The control command, amazon-cloudwatch-agent-ctl: fetch-config, start, stop and status on EC2."""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from . import paths
from .config import ConfigurationError, parse


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with 1, as the real command does."""
        print(f"amazon-cloudwatch-agent-ctl: {message}", file=sys.stderr)
        sys.exit(1)


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)


def fetch_config(location: str) -> None:
    """Check a configuration and put it in the place of the one before; raise ConfigurationError if it is refused."""
    scheme, _, name = location.partition(":")
    if scheme != "file" or not name:
        raise ConfigurationError(f"-c {location!r}: the stand-in reads file:PATH only")
    source = Path(name)
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{source}: {error.strerror}") from None
    parse(text)
    shutil.rmtree(paths.CONFIGURATIONS, ignore_errors=True)
    paths.CONFIGURATIONS.mkdir(parents=True)
    copy = paths.CONFIGURATIONS / f"file_{source.name}"
    copy.write_text(text, encoding="utf-8")
    paths.TRANSLATED.write_text(f'# Written by amazon-cloudwatch-agent-ctl.\nsource = "{copy}"\n', encoding="utf-8")
    print(f"Successfully fetched the config and saved in {copy}")


def start() -> int:
    """Start the agent now and at every boot, anew if it runs."""
    for command in (("enable", paths.UNIT), ("restart", paths.UNIT)):
        done = _systemctl(*command)
        if done.returncode:
            print(done.stderr.strip(), file=sys.stderr)
            return 1
    return 0


def status() -> None:
    """Print what the real command prints about the agent."""
    shown = _systemctl("show", paths.UNIT, "--property=ActiveState,ExecMainStartTimestamp").stdout
    properties = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    running = properties.get("ActiveState") == "active"
    report = {
        "status": "running" if running else "stopped",
        "starttime": properties.get("ExecMainStartTimestamp", "") if running else "",
        "configstatus": "configured" if paths.TRANSLATED.exists() else "not configured",
        "version": paths.VERSION,
    }
    print(json.dumps(report, indent=2))


def main() -> int:
    """Do what the arguments say; return an exit status."""
    parser = _Parser(prog="amazon-cloudwatch-agent-ctl", allow_abbrev=False)
    parser.add_argument("-a", dest="action", choices=["fetch-config", "start", "stop", "status"], default="status")
    parser.add_argument("-m", dest="mode", choices=["ec2"], default="ec2")
    parser.add_argument("-c", dest="location")
    parser.add_argument("-s", dest="restart", action="store_true")
    arguments = parser.parse_args()
    if arguments.action == "status":
        status()
    elif arguments.action == "stop":
        return _systemctl("stop", paths.UNIT).returncode
    elif arguments.action == "start":
        return start()
    else:
        if arguments.location is None:
            parser.error("fetch-config needs -c file:PATH")
        try:
            fetch_config(arguments.location)
        except ConfigurationError as error:
            parser.error(str(error))
        return start() if arguments.restart else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
