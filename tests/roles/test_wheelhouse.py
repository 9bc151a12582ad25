"""The role tells nobody of an archive that the bucket names and the locks and the sources do not make."""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from tests.roles.controllers import environment_of

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
# Somebody writes the pointer between what names it and the role.
PLAY: list[dict[str, Any]] = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.include_role": {"name": "wheelhouse", "tasks_from": "lookup", "public": True}},
            {
                "amazon.aws.s3_object": {
                    **{"bucket": "releases", "object": "{{ __wheelhouse_pointer_key }}", "content": "{{ left }}"},
                    **{"mode": "put", "encrypt": False},
                }
            },
            {"ansible.builtin.include_role": {"name": "wheelhouse"}},
            {"ansible.builtin.debug": {"msg": "installed from {{ wheelhouse_result.sha256 }}"}},
        ],
    }
]


def apply(directory: Path, endpoint: str, left: str) -> str:
    """Run the role on a controller that has built nothing; return what it said."""
    (directory / "play.yml").write_text(json.dumps(PLAY))
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (directory / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"localhost": here}}}))
    variables = {"bucket": "releases", "backend": "openvino", "python_version": "3.11", "directory": str(directory / "kept")}
    extra = {f"wheelhouse_{name}": value for name, value in variables.items()} | {"left": left}
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml"]
    ran = subprocess.run(
        [*command, "-e", json.dumps(extra), "play.yml"],
        cwd=directory,
        env=environment_of(endpoint),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return " ".join((ran.stdout + ran.stderr).split())


def test_no_host_hears_of_an_archive_that_somebody_left_in_the_bucket(tmp_path: Path) -> None:
    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w:gz") as archive:
        for name in ("requirements.txt", "wheels/evil-1.0-py3-none-any.whl"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    sha256 = hashlib.sha256(evil.getvalue()).hexdigest()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        s3 = boto3.client("s3", endpoint_url=endpoint, **KEYS)
        s3.create_bucket(Bucket="releases")
        s3.put_object(Bucket="releases", Key=f"wheelhouse/{sha256}.tar.gz", Body=evil.getvalue())
        said = apply(tmp_path, endpoint, sha256)
    finally:
        server.stop()
    assert "The hosts' Python packages are refused" in said
    assert "holds evil-1.0-py3-none-any.whl, which is in no lock with its digest: nothing is installed from it" in said
    assert "installed from" not in said.replace("is installed from it", "")
