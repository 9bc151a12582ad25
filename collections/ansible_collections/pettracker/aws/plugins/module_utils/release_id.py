"""The name of a release: of its record, of its reports, and of what Ansible rolls out."""

import hashlib


def release_id(name: str, version: str, digest: str, image_id: str) -> str:
    """Returns the id of a release: readable, and the same whenever the same image of the same model is released.

    Args:
        name: of the model, as `version` and `digest` are.
        image_id: of the machine image that serves it.
    """
    return f"{name}-{version}-{hashlib.sha256(f'{digest} {image_id}'.encode()).hexdigest()[:12]}"
