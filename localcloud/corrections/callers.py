"""Who signed a request."""

from typing import Any

from localcloud.access.keys import principal_of
from localcloud.access.policies import Principal


def caller_of(response: Any) -> Principal:
    """Return who signed a request, as moto holds it."""
    return principal_of(response.get_access_key())
