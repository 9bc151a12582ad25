"""The bill of materials of a host, as CycloneDX 1.6: its Python packages, its system's packages and its model."""

import hashlib
import json
import re
import tarfile
import uuid
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
from botocore.exceptions import ClientError
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from bundle.manifest import Manifest
from delivery.environment import Pin
from delivery.errors import DeliveryError
from delivery.release.gate import Image

# As the wheelhouse writes them: name==version --hash=sha256:...
_REQUIREMENT = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>\S+) --hash=sha256:(?P<sha256>[0-9a-f]{64})$")
# uuid5 needs a namespace of one's own; any fixed UUID will do.
_NAMESPACE = uuid.UUID("6a2b7dd2-8c52-4ac1-9a55-0d1f3a1a6f0e")


def bill_of_materials(image: Image, pin: Pin, manifest: Manifest) -> bytes:
    """Return the bill of materials of the hosts that start from an image. The same image gives the same bytes.

    Raises:
        DeliveryError: the archive of the Python packages is missing, or not what its digest says.
    """
    requirements = _requirements(image)
    packages = _system_packages(image)
    components = [
        *(_python(line, image) for line in requirements.splitlines()),
        *(_system(package, image) for package in packages),
    ]
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, f"{image.image_id} {image.content_digest} {pin.digest}"))
    bom.metadata.timestamp = datetime.fromisoformat(image.created)
    bom.metadata.component = Component(
        name=image.image_id,
        type=ComponentType.OPERATING_SYSTEM,
        version=image.content_digest,
        bom_ref="image",
        properties=[Property(name="pettracker:base_image", value=f"{image.base_image_id} {image.base_image_name}")],
    )
    bom.components.update([*components, _model(pin, manifest)])
    bom.register_dependency(bom.metadata.component, bom.components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def _requirements(image: Image) -> str:
    """Return the archive's own list: what a host installed, with digests."""
    with TemporaryDirectory(prefix="release-") as scratch:
        path = Path(scratch) / "wheelhouse.tar.gz"
        client: Any = boto3.client("s3")
        try:
            client.download_file(image.releases_bucket, image.wheelhouse_key, str(path))
        except ClientError as error:
            raise DeliveryError(f"s3://{image.releases_bucket}/{image.wheelhouse_key} cannot be read: {error}") from None
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        if sha256 != image.wheelhouse_sha256:
            raise DeliveryError(
                f"s3://{image.releases_bucket}/{image.wheelhouse_key} has the sha256 {sha256}, not the one that it is named by"
            )
        with tarfile.open(path) as archive:
            member = archive.extractfile("requirements.txt")
            if member is None:
                raise DeliveryError(f"{image.wheelhouse_key} has no requirements.txt")
            return member.read().decode()


def _system_packages(image: Image) -> list[dict[str, str]]:
    """Return name, version and arch of the system's packages; none where the image was made before they were listed."""
    client: Any = boto3.client("s3")
    try:
        body = client.get_object(Bucket=image.releases_bucket, Key=image.packages_key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return []
        raise DeliveryError(f"s3://{image.releases_bucket}/{image.packages_key} cannot be read: {error}") from None
    packages: list[dict[str, str]] = json.loads(body)
    return packages


def _python(line: str, image: Image) -> Component:
    found = _REQUIREMENT.match(line)
    if found is None:
        raise DeliveryError(f"{image.wheelhouse_key}: not a pinned requirement: {line!r}")
    purl = PackageURL("pypi", None, found["name"], found["version"])
    return Component(
        name=found["name"],
        version=found["version"],
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=found["sha256"])],
    )


def _system(package: dict[str, str], image: Image) -> Component:
    # https://github.com/package-url/purl-spec: the namespace is who distributes it.
    kind, distributor = image.packages_purl.split("/")
    purl = PackageURL(kind, distributor, package["name"], package["version"], {"arch": package["arch"]})
    return Component(name=package["name"], version=package["version"], type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl))


def _model(pin: Pin, manifest: Manifest) -> Component:
    purl = PackageURL("generic", None, pin.name, pin.version)
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        purl=purl,
        bom_ref=str(purl),
        licenses=[LicenseExpression(manifest.licence)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=pin.digest.removeprefix("sha256:"))],
    )
