"""Packs the stand-in as a Debian package, always with the same bytes for the same sources."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from localcloud.errors import LocalCloudError

HERE = Path(__file__).parent
# The file name under which AWS publishes the agent for Debian.
FILE_NAME = "amazon-cloudwatch-agent.deb"
ROOT = "opt/aws/amazon-cloudwatch-agent"
# 2024-01-01, the time of every file in the package.
EPOCH = "1704067200"


def layout() -> dict[str, tuple[bytes, int]]:
    """Return the package's files with their modes, by path."""
    files = {f"{ROOT}/lib/standin/{path.name}": (path.read_bytes(), 0o644) for path in sorted((HERE / "standin").glob("*.py"))}
    files[f"{ROOT}/bin/amazon-cloudwatch-agent-ctl"] = ((HERE / "files/amazon-cloudwatch-agent-ctl").read_bytes(), 0o755)
    files["lib/systemd/system/amazon-cloudwatch-agent.service"] = (
        (HERE / "files/amazon-cloudwatch-agent.service").read_bytes(),
        0o644,
    )
    files["DEBIAN/control"] = ((HERE / "files/control").read_bytes(), 0o644)
    for script in ("postinst", "prerm"):
        files[f"DEBIAN/{script}"] = ((HERE / "files" / script).read_bytes(), 0o755)
    return files


def build_agent_package(destination: Path) -> Path:
    """Build the package into the directory `destination` and return its path; dpkg-deb must be installed."""
    if shutil.which("dpkg-deb") is None:
        raise LocalCloudError("the agent's package needs dpkg-deb: apt-get install dpkg, then try again.")
    destination.mkdir(parents=True, exist_ok=True)
    package = destination / FILE_NAME
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for name, (content, mode) in layout().items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(mode)
        for folder in (f"{ROOT}/etc", f"{ROOT}/logs/state", f"{ROOT}/var"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for path in [root, *root.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
            os.utime(path, (int(EPOCH), int(EPOCH)))
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zgzip", "--uniform-compression", "--build", str(root), str(package)],
            env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH},
            check=True,
            capture_output=True,
        )
    return package
