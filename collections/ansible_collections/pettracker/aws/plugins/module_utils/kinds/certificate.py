"""Certificates that this project has imported into Certificate Manager.

https://docs.aws.amazon.com/acm/latest/APIReference/API_CertificateDetail.html
"""

import functools
import hashlib
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ..refusals import unless_gone
from ..state import State, tag_changes, tags_to_dict, tags_to_list
from .fields import FIXED, IDENTITY, STATUS, TIME, Answer, Ignored, Marks, compared, each
from .finding import pages, tagged
from .kind import Answers, Client, Clients, Grant, Kind, Owned, Scope, iso_time

# ListCertificates leaves out everything but RSA keys of 1024 and 2048 bits unless it is asked.
# https://docs.aws.amazon.com/acm/latest/APIReference/API_Filters.html
KEY_TYPES = ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"]

# Which certificates are the project's: a person may well give an environment's tags to one of his own, and have no second copy.
OWN = {"ImportedBy": "imported_certificate"}
BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
ARNS = ("arn:{partition}:acm:{region}:{account}:certificate/*",)
IN_PEM = Ignored("follows from the certificate, which is compared")
ISSUED = Ignored("of certificates that Certificate Manager issues")
CERTIFICATE: Marks = {
    "CertificateArn": IDENTITY,
    **each(IN_PEM, "DomainName SubjectAlternativeNames Serial Subject Issuer NotBefore NotAfter KeyAlgorithm"),
    **each(IN_PEM, "SignatureAlgorithm KeyUsages ExtendedKeyUsages"),
    **each(FIXED, "ManagedBy Type CertificateKeyPairOrigin"),
    **each(ISSUED, "DomainValidationOptions RevocationReason FailureReason RenewalSummary CertificateAuthorityArn"),
    **each(ISSUED, "RenewalEligibility UpdateSummary AcmeEndpointArn AcmeAccountId"),
    **each(TIME, "CreatedAt IssuedAt ImportedAt RevokedAt"),
    "Status": STATUS,
    "InUseBy": Ignored("follows from listeners, which are looked at"),
    # No call changes them: who logs is the issuer, export is decided at the request, nothing is validated.
    "Options": ISSUED,
}


class Certificate(Kind):
    """An imported certificate, known by its tag `Name`; its private key cannot be read back and so is not compared."""

    name = "certificate"
    service = "acm"
    free = "imported ones cost nothing"
    answers = (
        Answer("DescribeCertificate", "Certificate", CERTIFICATE),
        Answer("GetCertificate", "", compared(sha256="Certificate", chain_sha256="CertificateChain")),
        Answer("ListTagsForCertificate", "", compared(tags="Tags")),
    )
    samples: ClassVar = {
        f"GetCertificate.{member}": f"{BEGIN}\nMA==\n{END}\n" for member in ("Certificate", "CertificateChain")
    }
    # Whoever has the private key imports, which no workflow does.
    look = (
        Grant("acm", "ListCertificates"),
        Grant("tag", "GetResources"),
        Grant("acm", "DescribeCertificate ListTagsForCertificate", ARNS),
    )
    removal = (Grant("acm", "DeleteCertificate", ARNS, "own"),)
    delete = "delete_certificate", "CertificateArn"

    def owned(self, clients: Clients, scope: Scope) -> Iterator[Owned]:
        client = clients("acm")
        for arn in tagged(clients, Scope({**scope.tags, **OWN}), "acm:certificate"):
            read = functools.partial(client.describe_certificate, CertificateArn=arn)
            found = unless_gone(read, {}).get("Certificate")
            if found and found["Type"] == "IMPORTED":
                yield Owned(arn, found.get("DomainName", ""), iso_time(found["ImportedAt"]))

    def read(self, clients: Clients, name: str) -> Answers:
        """Returns AWS's answers about the certificate of that name; nothing where there is none.

        Looked for in Certificate Manager's own list: one that the index of tags does not know yet would be imported twice.
        """
        client = clients("acm")
        arn = next((arn for arn, tags in own_certificates(client) if tags.get("Name") == name), None)
        if arn is None:
            return {}
        return {
            "DescribeCertificate": client.describe_certificate(CertificateArn=arn)["Certificate"],
            "GetCertificate": client.get_certificate(CertificateArn=arn),
            "ListTagsForCertificate": client.list_tags_for_certificate(CertificateArn=arn),
        }

    def state(self, answers: Answers) -> State:
        held = answers["GetCertificate"]
        return {
            "sha256": next(iter(fingerprints(held["Certificate"])), None),
            "chain_sha256": fingerprints(held.get("CertificateChain")),
            "tags": tags_to_dict(answers["ListTagsForCertificate"].get("Tags") or []),
        }

    def wanted(self, entry: Mapping[str, Any]) -> State:
        """Returns the options of the module in the fields of `state`. Pure."""
        return {
            "sha256": next(iter(fingerprints(entry["certificate"])), None),
            "chain_sha256": fingerprints(entry["chain"]),
            "tags": {**entry["tags"], "Name": entry["name"], **OWN},
        }

    def import_(self, client: Client, entry: Mapping[str, Any], wanted: State, arn: str) -> str:
        """Imports a certificate, anew under its ARN if it has one, and returns that."""
        # Tags are taken with a new certificate only.
        target = {"CertificateArn": arn} if arn else {"Tags": tags_to_list(wanted["tags"])}
        imported = client.import_certificate(
            Certificate=entry["certificate"].encode(),
            PrivateKey=entry["private_key"].encode(),
            CertificateChain=entry["chain"].encode(),
            **target,
        )
        return str(imported["CertificateArn"])

    def put_tags(self, client: Client, arn: str, wanted: State, found: State) -> None:
        """Corrects the tags of a certificate."""
        added, gone = tag_changes(wanted["tags"], found["tags"])
        if added:
            client.add_tags_to_certificate(CertificateArn=arn, Tags=tags_to_list(added))
        if gone:
            client.remove_tags_from_certificate(CertificateArn=arn, Tags=[{"Key": key} for key in gone])


def fingerprints(pem: str | None) -> list[str]:
    """Returns the SHA-256 digests of the certificates in a PEM text, whatever its line breaks."""
    blocks = [block.split(END)[0] for block in (pem or "").split(BEGIN)[1:]]
    return [hashlib.sha256(ssl.PEM_cert_to_DER_cert(f"{BEGIN}\n{block.strip()}\n{END}\n")).hexdigest() for block in blocks]


def certificate_name(client: Client, arn: str) -> str:
    """Returns a name that a certificate is for, as one who connects asks for it; "" where there is no certificate."""
    if not arn:
        return ""
    name: str = client.describe_certificate(CertificateArn=arn)["Certificate"]["DomainName"]
    # One for all names below another is asked for as one of them.
    return name.replace("*", "rollout")


def own_certificates(client: Client) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the ARN and the tags of each certificate that was imported by the module of that name, whatever its key."""
    for summary in pages(client, "list_certificates", "CertificateSummaryList", Includes={"keyTypes": KEY_TYPES}):
        if summary["Type"] != "IMPORTED":
            continue
        arn = summary["CertificateArn"]
        read = functools.partial(client.list_tags_for_certificate, CertificateArn=arn)
        tags = tags_to_dict(unless_gone(read, {"Tags": []})["Tags"])
        if OWN.items() <= tags.items():
            yield arn, tags
