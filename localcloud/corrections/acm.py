"""Certificate Manager."""

from __future__ import annotations

from typing import Any

from moto import settings
from moto.acm.models import AWS_ROOT_CA, CertBundle

from localcloud.corrections.patching import correction

# Seconds until a requested certificate counts as validated; moto's minute would only make a rehearsal wait.
VALIDATION_WAIT = 1


def apply() -> None:
    """Correct what GetCertificate says of an imported certificate."""
    settings.ACM_VALIDATION_WAIT = VALIDATION_WAIT

    @correction(CertBundle, "__init__")
    def keep_chain_as_imported(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        # GetCertificate returns the chain that was imported; moto appends Amazon's root to every chain.
        # https://docs.aws.amazon.com/acm/latest/APIReference/API_GetCertificate.html. Without a chain AWS returns the
        # certificate itself (observed by community.aws.acm_certificate, which relies on it).
        original(self, *args, **kwargs)
        if self.type == "IMPORTED":
            self.chain = self.chain.removesuffix(AWS_ROOT_CA + b"\n").removesuffix(b"\n") or self.cert
