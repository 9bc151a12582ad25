"""The variables that point AWS clients, curl and podman at the running cloud."""

from __future__ import annotations

import shlex

from localcloud import settings as constants
from localcloud.settings import Settings


def exports(settings: Settings) -> dict[str, str]:
    """Return name -> value, in the order in which `.localcloud/env` holds them."""
    return {
        "AWS_ENDPOINT_URL": settings.endpoint,
        "AWS_ACCESS_KEY_ID": constants.ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": constants.SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_REGION": settings.region,
        # Clients on this machine must not look for an instance role of the machine's own.
        "AWS_EC2_METADATA_DISABLED": "true",
        "SERVICE_URL": settings.service_url,
        "SERVICE_CA": str(settings.tls_dir / "ca.pem"),
        "CONTAINERS_CONF": str(settings.containers_conf),
        "CONTAINERS_STORAGE_CONF": str(settings.storage_conf),
    }


def shell_lines(settings: Settings) -> str:
    """Return the variables as lines for a POSIX shell."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in exports(settings).items()]
    # Where AWS's clients find the session-manager-plugin of this cloud.
    path = f'export PATH={shlex.quote(str(settings.commands_dir))}:"$PATH"\n'
    return "".join([*lines, path])
