"""The one error of the package."""


class ReleaseError(Exception):
    """The release is refused, or a step of it failed; the message says why and what to do."""
