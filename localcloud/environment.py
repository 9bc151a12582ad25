"""The variables that point AWS clients, curl and podman at the running cloud."""

import os
import shlex

from localcloud.access.access_key import AccessKey
from localcloud.errors import LocalCloudError
from localcloud.settings import Settings

NOT_RUNNING = "The local cloud of this clone is not running: make rehearse, or python -m localcloud up."


def exports(settings: Settings, key: AccessKey) -> dict[str, str]:
    """Return name -> value, in the order in which `.localcloud/env` holds them."""
    return {
        "AWS_ENDPOINT_URL": settings.endpoint,
        **key.environment,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
        # Clients on this machine must not look for an instance role of the machine's own.
        "AWS_EC2_METADATA_DISABLED": "true",
        "SERVICE_URL": settings.service_url,
        "SERVICE_CA": str(settings.tls_dir / "ca.pem"),
        "CONTAINERS_CONF": str(settings.containers_conf),
        "CONTAINERS_STORAGE_CONF": str(settings.storage_conf),
    }


def shell_lines(settings: Settings, key: AccessKey) -> str:
    """Return the variables as lines for a POSIX shell."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exports(settings, key).items()]
    # Where AWS's clients find the session-manager-plugin of this cloud.
    path = f'export PATH={shlex.quote(str(settings.commands_dir))}:"$PATH"\n'
    return "".join([*lines, path])


def write(settings: Settings, key: AccessKey) -> None:
    """Write the variables where only this user can read them: whoever has the key is root on this machine."""
    settings.env_file.unlink(missing_ok=True)
    descriptor = os.open(settings.env_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(shell_lines(settings, key))


def check_ready(settings: Settings) -> None:
    """Raise LocalCloudError, with what to do, when the cloud of this clone does not run or is another user's."""
    try:
        ready = settings.ready_file.exists()
    except PermissionError:
        raise LocalCloudError(
            f"The local cloud of this clone is another user's: only who started it can read {settings.state_dir}. "
            "Run this as that user, with sudo."
        ) from None
    if not ready:
        raise LocalCloudError(NOT_RUNNING)


def read_key(settings: Settings) -> AccessKey:
    """Return the running cloud's key."""
    words = shlex.split(settings.env_file.read_text())
    variables = dict(word.partition("=")[::2] for word in words if "=" in word)
    return AccessKey(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
