"""What of the traffic is copied to a candidate fleet, and until when: one line of text, as the tag `Shadow` of a host holds it.

    share=0.25 until=1767225600 10.0.11.7:8080 10.0.12.9:8080

`share` is that of the answered predictions (above 0, at most 1), `until` are seconds since the epoch, and the rest are the
candidate's hosts. An empty line ends it. Nothing else than private IPv4 addresses is taken (RFC 1918; not link-local, where
the metadata service is): whoever may set a tag could otherwise have photos sent anywhere.
"""

import re
from dataclasses import dataclass
from typing import Any

MOST_TARGETS = 8
# The longest value that EC2 takes for a tag.
MOST_CHARACTERS = 256
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_ADDRESS = rf"((10|127)(\.{_OCTET}){{3}}|172\.(1[6-9]|2[0-9]|3[01])(\.{_OCTET}){{2}}|192\.168(\.{_OCTET}){{2}})"
_PORT = r"(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
_SHARE = r"(1(\.0+)?|0\.0*[1-9][0-9]*)"
# In the dialect that Python and JSON Schema have in common, for the OpenAPI document says it as well.
PATTERN = rf"^(share={_SHARE} until=[0-9]{{1,11}}( {_ADDRESS}:{_PORT}){{1,{MOST_TARGETS}}})?$"


class ShadowError(ValueError):
    """The line is none; the text says what one is."""


@dataclass(frozen=True)
class Shadow:
    """Where copies go.

    Attributes:
        share: of the answered predictions, above 0 and at most 1.
        until: seconds since the epoch, after which nothing is copied.
        targets: host:port of each host of the candidate.
    """

    share: float
    until: int
    targets: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        return {"share": self.share, "until": self.until, "targets": list(self.targets)}


def read(line: str) -> Shadow | None:
    """Return what a line says; None for an empty one.

    Raises:
        ShadowError: it says something else.
    """
    if len(line) > MOST_CHARACTERS or not re.fullmatch(PATTERN.strip("^$"), line):
        raise ShadowError(
            "A line looks like this: share=0.25 until=1767225600 10.0.11.7:8080; a share above 0 and at most 1, and up to "
            f"{MOST_TARGETS} ports of private IPv4 addresses."
        )
    if not line:
        return None
    share, until, *targets = line.split(" ")
    return Shadow(float(share.removeprefix("share=")), int(until.removeprefix("until=")), tuple(targets))
