"""Certificate Manager: the chain and the tags of imported certificates, and which certificates are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.acm.models import AWS_ROOT_CA, AWSCertificateManagerBackend, CertBundle

from localcloud.corrections.patching import NOT_REPORTED, Difference, correction

if TYPE_CHECKING:
    from localcloud.account import Account

# Without a chain AWS returns the certificate itself (observed by community.aws.acm_certificate, which relies on it).
CHAIN = Difference(
    "appends Amazon's root to the chain of an imported certificate",
    aws="https://docs.aws.amazon.com/acm/latest/APIReference/API_GetCertificate.html",
    upstream=NOT_REPORTED,
)
LISTED = Difference(
    "lists certificates with keys of every type, where AWS lists those with RSA keys of 1024 and 2048 bits unless asked",
    aws="https://docs.aws.amazon.com/acm/latest/APIReference/API_Filters.html",
    upstream=NOT_REPORTED,
)
# A certificate that is imported anew keeps its ARN and its associations, and takes no tags, because it keeps those as well.
KEPT_TAGS = Difference(
    "forgets the tags of a certificate that is imported anew",
    aws="https://docs.aws.amazon.com/acm/latest/userguide/import-reimport.html",
    upstream=NOT_REPORTED,
)


def apply(_account: Account) -> None:
    """Correct what is said of an imported certificate, what importing it anew leaves, and which ones are listed."""

    @correction(CertBundle, "__init__", CHAIN)
    def keep_chain_as_imported(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if self.type == "IMPORTED":
            self.chain = self.chain.removesuffix(AWS_ROOT_CA + b"\n").removesuffix(b"\n") or self.cert

    @correction(AWSCertificateManagerBackend, "list_certificates", LISTED)
    def leave_out_other_keys(original: Any, self: Any, statuses: Any, includes: dict[str, Any] | None) -> Any:
        return original(self, statuses, {"keyTypes": ["RSA_1024", "RSA_2048"]} | (includes or {}))

    @correction(AWSCertificateManagerBackend, "import_certificate", KEPT_TAGS)
    def keep_tags(original: Any, self: Any, *pems: Any, arn: str | None, **more: Any) -> str:
        kept = self._certificates[arn].tags if arn in self._certificates else None
        imported: str = original(self, *pems, arn=arn, **more)
        if kept:
            self._certificates[imported].tags = kept
        return imported
