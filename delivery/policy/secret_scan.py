"""Secrets in texts, found by detect-secrets; their values are never told."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

# Detectors that know the form of what they look for. Those that go by entropy take every digest for a secret.
_DETECTORS = (
    *("ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "GitHubTokenDetector"),
    *("JwtTokenDetector", "KeywordDetector", "NpmDetector", "PrivateKeyDetector", "SendGridDetector", "SlackDetector"),
    *("StripeDetector", "TwilioKeyDetector"),
)
# What only says where a secret comes from. The library's comment that lets a line pass is not heard: a waiver has a reason.
_FILTERS = (
    "detect_secrets.filters.heuristic.is_templated_secret",
    "detect_secrets.filters.heuristic.is_prefixed_with_dollar_sign",
)
_VAULT = "!vault"
# Bytes; the library looks for private keys in files of at most 8 KiB, and user data may have 16.
_LONGEST = 1 << 20


def secrets_of(text: str) -> Iterator[str]:
    """Yield what kind of secret is in which line of a text: variables in YAML, or a script."""
    from detect_secrets.core.scan import scan_file  # noqa: PLC0415 - a quarter of a second, and most commands do without
    from detect_secrets.plugins.private_key import PrivateKeyDetector  # noqa: PLC0415 - the same
    from detect_secrets.settings import transient_settings  # noqa: PLC0415 - the same

    PrivateKeyDetector.MAX_FILE_SIZE = _LONGEST
    settings = {"plugins_used": [{"name": name} for name in _DETECTORS], "filters_used": [{"path": path} for path in _FILTERS]}
    lines = [line.strip() for line in text.splitlines()]
    with tempfile.TemporaryDirectory() as directory:
        # The rules for YAML ask for no quotes around a value. A key that is indented, as in YAML, is not recognised.
        file = Path(directory) / "text.yml"
        file.write_text("\n".join([*lines, ""]))
        with transient_settings(settings):
            secrets = [(secret.type, secret.secret_value or "", secret.line_number) for secret in scan_file(str(file))]
    found = {(_line(value, line, lines), kind) for kind, value, line in secrets if not value.startswith(_VAULT)}
    for line, kind in sorted(found):
        yield f"{kind} in line {line}"


def _line(value: str, said: int, lines: list[str]) -> int:
    """Return the line in which a secret begins; the library says 1 of some that have several."""
    first = value.strip().partition("\n")[0]
    return said if first in lines[said - 1] else next((n for n, line in enumerate(lines, 1) if first in line), said)
