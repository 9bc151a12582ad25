"""The keys whose signatures are trusted: P-256 public keys, each with what it signs, until when, and whether it was revoked.

They come as text: one public key in PEM, which signs everything and does not end, or a JSON list of `TrustedKey`, as an
inventory holds it. A signature does not tell when it was made. So a key that has ended signs nothing new (who publishes sees
to that), and what it signed before stays good; a key that was revoked is trusted for nothing, old or new.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

Purpose = Literal["models", "records"]
PURPOSES: tuple[Purpose, ...] = ("models", "records")
_PEM = "-----BEGIN"
_NAMED = 12


class KeysError(Exception):
    """The keys are no keys, or a signature is not to be trusted; the message says which and why."""


class TrustedKey(BaseModel):
    """One public key.

    Attributes:
        public_key: PEM.
        signs: bundles of models, release records, or both.
        not_after: last day, in UTC, on which it signs something new; None: it does not end.
        revoked: why it is not trusted any more; None: it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    public_key: str
    signs: Annotated[list[Purpose], Field(min_length=1)] = list(PURPOSES)
    not_after: date | None = None
    revoked: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_a_key(self) -> Self:
        self.key()
        return self

    def key(self) -> EllipticCurvePublicKey:
        """Raises ValueError when it is no P-256 key."""
        try:
            key = load_pem_public_key(self.public_key.encode())
        except ValueError:
            raise ValueError("is not a public key in PEM") from None
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise ValueError("is not on the curve P-256")
        return key

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.key())

    @property
    def name(self) -> str:
        """The first digits of its fingerprint, for people."""
        return self.fingerprint[:_NAMED]

    def end(self, purpose: Purpose, day: date | None = None) -> str:
        """Return why it signs nothing new of a kind on a day, by default today; "" if it does."""
        if self.revoked:
            return f"the key {self.name} was revoked ({self.revoked})"
        if purpose not in self.signs:
            return f"the key {self.name} signs {' and '.join(self.signs)}, not {purpose}"
        if self.not_after and (day or datetime.now(UTC).date()) > self.not_after:
            return f"the key {self.name} ended on {self.not_after}"
        return ""


_LIST = TypeAdapter(list[TrustedKey])


@dataclass(frozen=True)
class TrustedKeys:
    """The trusted keys, and where they come from."""

    keys: Sequence[TrustedKey]
    named: str

    def signer(self, purpose: Purpose, signature: bytes, data: bytes) -> TrustedKey:
        """Return the key that made a signature (ECDSA, SHA-256, DER) of a kind.

        Raises:
            KeysError: none of them did, or it was revoked, or signs something else.
        """
        made = [key for key in self.keys if _verifies(key, signature, data)]
        if not made:
            named = self.named if len(self.keys) == 1 else f"one of the {len(self.keys)} keys in {self.named}"
            raise KeysError(f"was not made with the private key that belongs to {named}, or was changed afterwards")
        for key in made:
            if key.revoked:
                raise KeysError(f"is not trusted any more: {key.end(purpose)}")
        for key in made:
            if purpose in key.signs:
                return key
        raise KeysError(f"is not trusted: {made[0].end(purpose)}")

    def signing(self, purpose: Purpose, wanted: str) -> TrustedKey:
        """Return the key with a fingerprint, if it may sign something new of a kind today.

        Raises:
            KeysError
        """
        known = [key for key in self.keys if key.fingerprint == wanted]
        if not known:
            raise KeysError(f"the key {wanted[:_NAMED]} is none of those in {self.named}")
        ends = [key.end(purpose) for key in known]
        if any(key.revoked for key in known) or all(ends):
            raise KeysError(next(end for end in ends if end))
        return known[ends.index("")]


def fingerprint(key: PublicKeyTypes) -> str:
    """Return the sha256 (hex) of a public key's SubjectPublicKeyInfo (DER): the same for every way to write the key."""
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def parse_keys(text: str, named: str) -> TrustedKeys:
    """Read trusted keys: one in PEM, or a JSON list.

    Args:
        named: where the text comes from, for messages.

    Raises:
        KeysError: it is neither, or one of them is no P-256 key.
    """
    try:
        if text.lstrip().startswith(_PEM):
            keys = [TrustedKey(public_key=text)]
        else:
            keys = _LIST.validate_json(text) if text.lstrip().startswith("[") else []
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if not first["loc"]:
            message = first["msg"].removeprefix("Value error, ")
            raise KeysError(f"the key in {named} {message}" if "curve" in message else f"{named} {message}") from None
        where = ".".join(str(part) for part in first["loc"])
        raise KeysError(f"{named} holds a key that cannot be used: {first['msg']} ({where})") from None
    if not keys:
        raise KeysError(f"{named} is not a public key in PEM, nor a list of keys")
    return TrustedKeys(keys, named)


def read_keys(path: Path) -> TrustedKeys:
    """Read a file of trusted keys.

    Raises:
        KeysError: it cannot be read, or `parse_keys` refuses it.
    """
    try:
        return parse_keys(path.read_text(), str(path))
    except OSError as error:
        raise KeysError(f"no public key in {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KeysError(f"{path} is not a public key in PEM, nor a list of keys") from None


def _verifies(key: TrustedKey, signature: bytes, data: bytes) -> bool:
    try:
        key.key().verify(signature, data, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
