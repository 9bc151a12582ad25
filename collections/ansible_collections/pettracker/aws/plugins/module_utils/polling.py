"""Looking until something is seen, also while AWS does not answer."""

import time
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

# Seconds for which AWS may be out of reach.
PATIENCE = 600.0


def poll(
    look: Callable[[], str | None], say: Callable[[str], None], interval: float, seconds: float, meanwhile: str
) -> str | None:
    """Looks until that gives something, which is returned; None after so many seconds.

    A look that fails is repeated for ten minutes. `meanwhile` tells people what AWS does by then.

    Raises:
        BotoCoreError, ClientError: of the last look.
    """
    begin = reached = time.monotonic()
    while True:
        try:
            found = look()
            reached = time.monotonic()
            if found:
                return found
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() - reached > PATIENCE:
                raise
            say(f"AWS does not answer; {meanwhile}: {error}")
        if time.monotonic() - begin >= seconds:
            return None
        time.sleep(interval)
