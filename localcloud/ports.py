"""Are the cloud's ports free, and if not, who has them?"""

import re
import socket
import subprocess

from localcloud.errors import LocalCloudError
from localcloud.settings import Settings


def holder(port: int) -> str:
    """Name the process that listens on a TCP port, as far as the kernel tells (`ss`, from iproute2)."""
    try:
        listing = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "another process"
    match = re.search(r'\(\("([^"]+)",pid=(\d+)', listing.stdout)
    return f"{match[1]} (process {match[2]})" if match else "another process"


def check_free(settings: Settings) -> None:
    """Raise LocalCloudError naming port, holder and variable when a port of the cloud is taken."""
    ports = {
        "LOCALCLOUD_API_PORT": settings.api_port,
        "LOCALCLOUD_HTTPS_PORT": settings.https_port,
        "LOCALCLOUD_HTTP_PORT": settings.http_port,
    }
    for variable, port in ports.items():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise LocalCloudError(
                    f"Port {port} of 127.0.0.1 is taken by {holder(port)}. Stop that process, or choose another port: "
                    f"{variable}=<port>, in the environment of every command."
                ) from None
