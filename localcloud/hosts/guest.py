"""What every host finds under /run: the API's address in its environment, and a way to reach it at 127.0.0.1.

The files are mounted, so an image made of a host carries none of them. Inside a host the API answers at the same URL as
on the machine, so a presigned URL made outside is valid inside.
"""

from pathlib import Path

from localcloud.settings import Settings

UNITS = "/run/systemd/system"


def render_guest_files(api_port: int, endpoint: str, region: str, gateway: str) -> dict[str, str]:
    """Return the text of each file by its path on the host. /etc/environment is a link to the first."""
    environment = [f"AWS_ENDPOINT_URL={endpoint}", f"AWS_REGION={region}", f"AWS_DEFAULT_REGION={region}"]
    return {
        "/run/localcloud/environment": "\n".join(environment) + "\n",
        "/run/systemd/system.conf.d/localcloud.conf": f"[Manager]\nDefaultEnvironment={' '.join(environment)}\n",
        f"{UNITS}/localcloud-api.socket": (
            f"[Unit]\nDescription=AWS API of the local cloud\n\n[Socket]\nListenStream=127.0.0.1:{api_port}\n"
        ),
        f"{UNITS}/localcloud-api.service": (
            "[Unit]\nDescription=Way to the AWS API of the local cloud\nRequires=localcloud-api.socket\n"
            "After=localcloud-api.socket\n\n[Service]\n"
            f"ExecStart=/lib/systemd/systemd-socket-proxyd --exit-idle-time=60 {gateway}:{api_port}\n"
            "DynamicUser=yes\nOOMScoreAdjust=-500\n"
        ),
        f"{UNITS}/sockets.target.d/localcloud.conf": "[Unit]\nWants=localcloud-api.socket\n",
    }


def guest_files(directory: Path, settings: Settings, gateway: str) -> dict[Path, str]:
    """Write the files of the hosts behind `gateway` into `directory`; return where each is mounted on a host."""
    mounts = {}
    for target, text in render_guest_files(settings.api_port, settings.endpoint, settings.region, gateway).items():
        source = directory / target.removeprefix("/run/").replace("/", "-")
        directory.mkdir(parents=True, exist_ok=True)
        if not source.exists():
            source.write_text(text)
        mounts[source] = target
    return mounts
