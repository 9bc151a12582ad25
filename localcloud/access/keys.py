"""The keys that the local cloud gave out: one of its own for each start, those of users, and those of sessions."""

import json
from dataclasses import replace
from datetime import UTC
from typing import Any

from localcloud import backends, settings
from localcloud.access.access_key import AccessKey, new_key
from localcloud.access.policies import Document, Principal


class Keys:
    """All keys that open the account: `root` belongs to the rehearsal's own clients, the rest is known to moto's backends."""

    def __init__(self, root: AccessKey | None = None) -> None:
        self.root = root or new_key()

    def find(self, access_key_id: str) -> AccessKey | None:
        """Return a key that was given out and is still good but for its end."""
        if access_key_id == self.root.access_key_id:
            return self.root
        session = backends.sts().get_assumed_role_from_access_key(access_key_id)
        if session is not None:
            expires = session.expiration.replace(tzinfo=UTC)
            return AccessKey(session.access_key_id, session.secret_access_key, session.session_token, expires)
        user = backends.iam().get_user_from_access_key_id(access_key_id)
        for key in user.access_keys if user else []:
            if key.access_key_id == access_key_id and key.status == "Active":
                return AccessKey(key.access_key_id, key.secret_access_key)
        return None


def principal_of(access_key_id: str) -> Principal:
    """Return whose a key is: a role's session, or else the account's root user, as the rehearsal's own key is."""
    session = backends.sts().get_assumed_role_from_access_key(access_key_id)
    if session is None:
        account = settings.ACCOUNT_ID
        return Principal(arn=f"arn:aws:iam::{account}:root", user_id=account, name="root")
    role = next((one for one in backends.iam().roles.values() if one.arn == session.role_arn), None)
    return replace(
        role_principal(role) if role else Principal("", "", "", policies=[]),
        arn=session.arn,
        user_id=session.user_id,
        name=session.session_name,
        role_arn=session.role_arn,
        session=[json.loads(session.policy)] if session.policy else None,
        instance_id=getattr(session, "instance_id", None),
    )


def role_principal(role: Any) -> Principal:
    """Return what a role of moto's may do, whoever has assumed it."""
    inline = [json.loads(text) if isinstance(text, str) else text for text in role.policies.values()]
    attached = [_document(policy) for policy in role.managed_policies.values()]
    return Principal(role.arn, role.id, role.name, role.arn, policies=inline + attached, boundary=_boundary(role))


def _boundary(role: Any) -> list[Document] | None:
    """Return the document of a role's permissions boundary. One that is gone allows nothing."""
    arn = role.permissions_boundary_arn
    if not arn:
        return None
    policy = backends.iam().managed_policies.get(arn)
    return [_document(policy)] if policy else []


def _document(policy: Any) -> Document:
    current = next(one for one in policy.versions if one.version_id == policy.default_version_id)
    document: Document = json.loads(current.document)
    return document
