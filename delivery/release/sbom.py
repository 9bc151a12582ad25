"""The bill of materials of a host, as CycloneDX 1.6: its Python packages, its system's packages and its model."""

import hashlib
import json
import re
import tarfile
import uuid
from collections.abc import Iterator
from datetime import datetime
from tempfile import TemporaryFile

import boto3
from botocore.exceptions import ClientError
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from bundle.manifest import Manifest
from bundle.registry import Store
from delivery.environment import Pin
from delivery.errors import DeliveryError
from delivery.release.gate import Image

# As the wheelhouse writes them: name==version --hash=sha256:...
_REQUIREMENT = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>\S+) --hash=sha256:(?P<sha256>[0-9a-f]{64})$")
# uuid5 needs a namespace of one's own; any fixed UUID will do.
_NAMESPACE = uuid.UUID("6a2b7dd2-8c52-4ac1-9a55-0d1f3a1a6f0e")


def bill_of_materials(image: Image, pin: Pin, manifest: Manifest) -> bytes:
    """Return the bill of materials of the hosts that start from an image. The same image gives the same bytes.

    Raises DeliveryError where the archive of the Python packages is missing, or not what its digest says.
    """
    bom = Bom(serial_number=uuid.uuid5(_NAMESPACE, f"{image.image_id} {image.content_digest} {pin.digest}"))
    bom.metadata.timestamp = datetime.fromisoformat(image.created)
    bom.metadata.component = Component(
        name=image.image_id,
        type=ComponentType.OPERATING_SYSTEM,
        version=image.content_digest,
        bom_ref="image",
        properties=[Property(name="pettracker:base_image", value=f"{image.base_image_id} {image.base_image_name}")],
    )
    bom.components.update([*_python(image), *_system(image), _model(pin, manifest)])
    bom.register_dependency(bom.metadata.component, bom.components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def _python(image: Image) -> Iterator[Component]:
    """Yield the Python packages, as the archive itself lists what a host installs."""
    address = f"s3://{image.releases_bucket}/{image.wheelhouse_key}"
    with TemporaryFile() as file:
        try:
            boto3.client("s3").download_fileobj(image.releases_bucket, image.wheelhouse_key, file)
        except ClientError as error:
            raise DeliveryError(f"{address} cannot be read: {error}") from None
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if sha256 != image.wheelhouse_sha256:
            raise DeliveryError(f"{address} has the sha256 {sha256}, not the one that it is named by")
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            member = archive.extractfile("requirements.txt")
            if member is None:
                raise DeliveryError(f"{image.wheelhouse_key} has no requirements.txt")
            lines = member.read().decode().splitlines()
    for line in lines:
        found = _REQUIREMENT.match(line)
        if found is None:
            raise DeliveryError(f"{image.wheelhouse_key}: not a pinned requirement: {line!r}")
        yield _component(PackageURL("pypi", None, found["name"], found["version"]), found["sha256"])


def _system(image: Image) -> Iterator[Component]:
    """Yield the system's packages; none where the image was made before they were listed."""
    # https://github.com/package-url/purl-spec: the namespace is who distributes it.
    kind, distributor = image.packages_purl.split("/")
    for package in json.loads(Store(image.releases_bucket).read(image.packages_key) or b"[]"):
        yield _component(PackageURL(kind, distributor, package["name"], package["version"], {"arch": package["arch"]}))


def _model(pin: Pin, manifest: Manifest) -> Component:
    model = _component(PackageURL("generic", None, pin.name, pin.version), pin.digest.removeprefix("sha256:"))
    model.type = ComponentType.MACHINE_LEARNING_MODEL
    model.licenses.add(LicenseExpression(manifest.licence))
    return model


def _component(purl: PackageURL, sha256: str = "") -> Component:
    return Component(
        name=purl.name,
        version=purl.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else (),
    )
