"""Errors of the bundle package: each names the file or object at fault and says what to do."""


class BundleError(Exception):
    """A bundle is not what its manifest or its pinned digest says.

    Attributes:
        subject: the file (relative to the bundle), or the bundle's own name, that is at fault.
    """

    def __init__(self, subject: str, problem: str) -> None:
        super().__init__(f"{subject}: {problem}")
        self.subject = subject


class RegistryError(Exception):
    """A published version cannot be written or read as asked."""


class SigningError(Exception):
    """A bundle cannot be signed with the given key."""
