"""An access key, as clients use it."""

import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class AccessKey:
    """One access key; a session's has a token, and an end."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires: datetime | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which AWS clients find it."""
        names = {"AWS_ACCESS_KEY_ID": self.access_key_id, "AWS_SECRET_ACCESS_KEY": self.secret_access_key}
        return names | ({"AWS_SESSION_TOKEN": self.session_token} if self.session_token else {})

    @property
    def arguments(self) -> dict[str, str]:
        """What boto3.client takes."""
        return {name.lower(): value for name, value in self.environment.items()}


def new_key() -> AccessKey:
    """Return a key that nobody can guess, in the form that IAM gives those of users and of the root user.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    """
    letters = string.ascii_uppercase + "234567"
    return AccessKey("AKIA" + "".join(secrets.choice(letters) for _ in range(16)), secrets.token_urlsafe(30))
