"""Polling, also while AWS does not answer."""

import time
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

# Seconds for which AWS may be out of reach.
PATIENCE = 600.0


def poll(
    read: Callable[[], str | None], report: Callable[[str], None], interval: float, seconds: float, meanwhile: str
) -> str | None:
    """Calls `read` until it returns something, and returns that; None after so many seconds.

    A call that fails is repeated for ten minutes. `meanwhile` tells people what AWS does by then.

    Raises:
        BotoCoreError, ClientError: of the last call.
    """
    begin = reached = time.monotonic()
    while True:
        try:
            found = read()
            reached = time.monotonic()
            if found:
                return found
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() - reached > PATIENCE:
                raise
            report(f"AWS does not answer; {meanwhile}: {error}")
        if time.monotonic() - begin >= seconds:
            return None
        time.sleep(interval)
