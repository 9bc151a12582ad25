"""Who signed a request."""

from __future__ import annotations

from typing import Any

from localcloud import backends, settings
from localcloud.sessions.manager import Caller, policies_of


def caller_of(response: Any) -> Caller:
    """Return who signed a request: a role's session, or else the account's root user, as the rehearsal's own key is."""
    role = backends.sts().get_assumed_role_from_access_key(response.get_access_key())
    if role is None:
        account = settings.ACCOUNT_ID
        return Caller(arn=f"arn:aws:iam::{account}:root", user_id=account, name="root")
    assumed = backends.iam().get_role_by_arn(role.role_arn)
    return Caller(role.arn, role.user_id, role.session_name, policies_of(assumed))
