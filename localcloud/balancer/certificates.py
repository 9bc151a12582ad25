"""The balancer's certificate: from a certificate authority that lives and dies with the running cloud."""

import trustme

from localcloud.settings import Settings


def issue(settings: Settings) -> None:
    """Write ca.pem, server.pem and server-key.pem for localhost and 127.0.0.1; the authority's own key is not kept."""
    settings.tls_dir.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA(organization_name="PetTracker local cloud")
    certificate = authority.issue_cert("localhost", "127.0.0.1", common_name="localhost")
    authority.cert_pem.write_to_path(str(settings.tls_dir / "ca.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(settings.tls_dir / "server.pem"))
    key = settings.tls_dir / "server-key.pem"
    key.touch(mode=0o600)
    certificate.private_key_pem.write_to_path(str(key))
