"""Certificate Manager."""

from __future__ import annotations

from typing import Any

from moto.acm.models import AWS_ROOT_CA, CertBundle

from localcloud.corrections.patching import correction


def apply() -> None:
    """Correct what GetCertificate says of an imported certificate."""

    @correction(CertBundle, "__init__")
    def keep_chain_as_imported(original: Any, self: Any, *args: Any, **kwargs: Any) -> None:
        # GetCertificate returns the chain that was imported, nothing else; moto appends Amazon's root to every chain.
        # https://docs.aws.amazon.com/acm/latest/APIReference/API_GetCertificate.html
        original(self, *args, **kwargs)
        if self.type == "IMPORTED":
            self.chain = self.chain.removesuffix(AWS_ROOT_CA + b"\n").removesuffix(b"\n")
