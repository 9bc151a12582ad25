"""Certificate Manager."""

from __future__ import annotations

from typing import Any

from moto.acm.models import AWS_ROOT_CA, AWSCertificateManagerBackend, CertBundle

from localcloud.corrections.patching import correction


def apply() -> None:
    """Correct what is said of an imported certificate, what importing it anew leaves, and which ones are listed."""

    @correction(CertBundle, "__init__")
    def keep_chain_as_imported(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        # GetCertificate returns the chain that was imported; moto appends Amazon's root to every chain.
        # https://docs.aws.amazon.com/acm/latest/APIReference/API_GetCertificate.html. Without a chain AWS returns the
        # certificate itself (observed by community.aws.acm_certificate, which relies on it).
        original(self, *args, **kwargs)
        if self.type == "IMPORTED":
            self.chain = self.chain.removesuffix(AWS_ROOT_CA + b"\n").removesuffix(b"\n") or self.cert

    @correction(AWSCertificateManagerBackend, "list_certificates")
    def leave_out_other_keys(original: Any, self: Any, statuses: Any, includes: dict[str, Any] | None) -> Any:
        # Without key types AWS lists certificates with RSA keys of 1024 and 2048 bits only, moto all.
        # https://docs.aws.amazon.com/acm/latest/APIReference/API_Filters.html
        return original(self, statuses, {"keyTypes": ["RSA_1024", "RSA_2048"]} | (includes or {}))

    @correction(AWSCertificateManagerBackend, "import_certificate")
    def keep_tags(original: Any, self: Any, *pems: Any, arn: str | None, **more: Any) -> str:
        # https://docs.aws.amazon.com/acm/latest/userguide/import-reimport.html: a certificate that is imported anew keeps its
        # ARN and its associations, and takes no tags, because it keeps those as well.
        kept = self._certificates[arn].tags if arn in self._certificates else None
        imported: str = original(self, *pems, arn=arn, **more)
        if kept:
            self._certificates[imported].tags = kept
        return imported
