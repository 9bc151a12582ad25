"""The certificates that this project has imported into Certificate Manager."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from ansible_collections.pettracker.aws.plugins.module_utils.refusals import unless_gone
from ansible_collections.pettracker.aws.plugins.module_utils.state import tags_to_dict

# ListCertificates leaves out everything but RSA keys of 1024 and 2048 bits unless it is asked.
# https://docs.aws.amazon.com/acm/latest/APIReference/API_Filters.html
KEY_TYPES = ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"]

# Which certificates are the project's: a person may well give an environment's tags to one of his own, and have no second copy.
OWN = {"ImportedBy": "imported_certificate"}


def certificate_name(client: Any, arn: str) -> str:
    """Returns a name that a certificate is for, as one who connects asks for it; "" where there is no certificate."""
    if not arn:
        return ""
    name: str = client.describe_certificate(CertificateArn=arn)["Certificate"]["DomainName"]
    # One for all names below another is asked for as one of them.
    return name.replace("*", "rollout")


def own_certificates(client: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields the ARN and the tags of each certificate that was imported by the module of that name, whatever its key."""
    for page in client.get_paginator("list_certificates").paginate(Includes={"keyTypes": KEY_TYPES}):
        for summary in page["CertificateSummaryList"]:
            if summary["Type"] != "IMPORTED":
                continue
            arn = summary["CertificateArn"]
            read = functools.partial(client.list_tags_for_certificate, CertificateArn=arn)
            tags = tags_to_dict(unless_gone(read, {"Tags": []})["Tags"])
            if OWN.items() <= tags.items():
                yield arn, tags
