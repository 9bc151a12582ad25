"""The golden-set gate: a real host serves the candidate and answers its golden set, before anything is pinned.

It is the bake with the candidate's name, version and digest in place of the pinned ones (docs/decisions/0013): whatever passes
is a verified image already, which the release after the merge finds by its inputs and does not make again.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from delivery.documents import Document
from delivery.environment import Environment, Pin
from delivery.errors import DeliveryError
from delivery.inventories import sources

_STDERR = 2


class Image(Document):
    """What playbooks/gate.yml wrote about the verified image of one model.

    Attributes:
        created: when the image was made, ISO 8601.
        wheelhouse_key: of the archive of the Python packages that are on its hosts.
        packages_key: of the list of the system's packages that are on its hosts.
        packages_purl: what the package URLs of these begin with, such as deb/debian.
    """

    image_id: str
    created: str
    content_digest: str
    base_image_id: str
    base_image_name: str
    code_revision: str
    model_digest: str
    releases_bucket: str
    wheelhouse_key: str
    wheelhouse_sha256: str
    packages_key: str
    packages_purl: str


def pass_gate(environment: Environment, pin: Pin) -> Image:
    """Make the verified image of a model on real hosts, or find it. Raises DeliveryError where the playbook failed."""
    output = environment.root / ".cache" / "releases" / f"image-{environment.name}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    variables = {f"model_{name}": value for name, value in asdict(pin).items()} | {"golden_gate_output": str(output)}
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *(f"--inventory={source}" for source in sources(environment.root, environment.name)),
            *("--extra-vars", json.dumps(variables)),
            str(environment.root / "playbooks" / "gate.yml"),
        ],
        cwd=environment.root,
        stdout=_STDERR,  # progress: what the command itself prints is its result
        check=False,
    )
    if done.returncode or not output.is_file():
        raise DeliveryError(
            f"{pin} did not pass the golden-set gate on a host of {environment.name} (the playbook's last lines say why); "
            "nothing is pinned, and the fleet serves what it served"
        )
    return Image.model_validate_json(output.read_bytes())
