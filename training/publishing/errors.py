"""Why a run is not published, promoted or compared."""


class PublishingError(Exception):
    """The message says what is wrong and what to do."""
