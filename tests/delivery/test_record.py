"""A record is what its key signed: any change of it, and any other key, is refused."""

import json
from pathlib import Path

import pytest
from ansible_collections.pettracker.aws.plugins.module_utils.release_id import release_id
from cryptography.hazmat.primitives.asymmetric import ec

from bundle.keys import TrustedKey, TrustedKeys, read_keys
from delivery.errors import DeliveryError
from delivery.release.record import (
    Approval,
    BillOfMaterials,
    Record,
    ReleasedImage,
    ReleasedModel,
    Verification,
    private_key_of,
    read_private_key,
    signed,
    verified,
)
from tests.bundle.small import write_keys

DIGEST = f"sha256:{'a' * 64}"
RECORD = Record(
    schema_version=1,
    id="iris-1.0.0-0123456789ab",
    environment="staging",
    time="2026-01-02T03:04:05+00:00",
    model=ReleasedModel(name="iris", version="1.0.0", digest=DIGEST, location="s3://models/production/iris/1.0.0/"),
    image=ReleasedImage(
        id="ami-1", content_digest="b" * 64, base_image_id="ami-0", base_image_name="debian", code_revision="c" * 40
    ),
    launch_template_version=None,
    code_revision="c" * 40,
    sbom=BillOfMaterials(key="sbom/x.cdx.json", sha256="d" * 64, components=3),
    verification=Verification(signing_key="e" * 64, test_accuracy=0.97, min_accuracy=0.9, golden_cases=12, golden="passed"),
    approval=Approval(commit="f" * 40, author="Zoë <z@example.org>", committer="GitHub <noreply@github.com>"),
    previous=None,
)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[bytes, TrustedKeys]:
    private, public = write_keys(tmp_path, "signing")
    return private.read_bytes(), read_keys(public)


def test_a_signed_record_comes_back_as_it_was(pair: tuple[bytes, TrustedKeys]) -> None:
    private, public = pair
    document = signed(RECORD, read_private_key(private, "key", public))
    assert verified(document, public, "here") == RECORD
    # Its layout is no part of what is signed.
    assert verified(json.dumps(json.loads(document), indent=8).encode(), public, "here") == RECORD


@pytest.mark.parametrize(
    "change",
    [
        {"environment": "production"},
        {"launch_template_version": 3},
        {"more": 1},
        {"model": {**RECORD.model.model_dump(), "digest": f"sha256:{'0' * 64}"}},
    ],
)
def test_a_changed_record_is_refused(pair: tuple[bytes, TrustedKeys], change: dict[str, object]) -> None:
    private, public = pair
    document = json.loads(signed(RECORD, read_private_key(private, "key", public)))
    with pytest.raises(DeliveryError, match=r"the signature of here was not made with the private key .*: do not roll it out"):
        verified(json.dumps({**document, **change}).encode(), public, "here")


def test_a_record_of_another_key_is_refused(pair: tuple[bytes, TrustedKeys], tmp_path: Path) -> None:
    other_private, other_public = write_keys(tmp_path, "other")
    document = signed(RECORD, read_private_key(other_private.read_bytes(), "key", read_keys(other_public)))
    with pytest.raises(DeliveryError, match="was not made with"):
        verified(document, pair[1], "here")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"signature": 3}', b'{"signature": "?"}'])
def test_what_is_no_record_is_refused(pair: tuple[bytes, TrustedKeys], data: bytes) -> None:
    with pytest.raises(DeliveryError, match="here is not a signed release record"):
        verified(data, pair[1], "here")


def test_a_key_that_is_not_the_environments_is_refused_before_it_signs(pair: tuple[bytes, TrustedKeys], tmp_path: Path) -> None:
    other = write_keys(tmp_path, "other")[0]
    with pytest.raises(
        DeliveryError, match=r"what my\.pem signs would be refused: the key \w+ is none of those in .*signing\.pub"
    ):
        read_private_key(other.read_bytes(), "my.pem", pair[1])


@pytest.mark.parametrize(
    ("fields", "signs", "told"),
    [
        ({"not_after": "2026-01-02"}, False, ""),
        ({"not_after": "2026-01-01"}, False, "was signed on 2026-01-02, and its key .* ended on 2026-01-01"),
        ({"not_after": "2999-01-01"}, True, ""),
        ({"signs": ["models"]}, False, "is not trusted: the key .* signs models, not records"),
        ({"revoked": "the laptop was stolen"}, False, r"is not trusted any more: .* was revoked \(the laptop was stolen\)"),
    ],
)
def test_a_key_signs_until_its_end_and_is_trusted_until_it_is_revoked(
    pair: tuple[bytes, TrustedKeys], fields: dict[str, object], signs: bool, told: str
) -> None:
    private, trusted = pair
    document = signed(RECORD, read_private_key(private, "key", trusted))
    key = TrustedKey.model_validate({"public_key": trusted.keys[0].public_key, **fields})
    keys = TrustedKeys([key], "the list")
    if signs:
        read_private_key(private, "key", keys)
    else:
        with pytest.raises(DeliveryError, match="what key signs would be refused: the key"):
            read_private_key(private, "key", keys)
    if told:
        with pytest.raises(DeliveryError, match=f"here.*{told}.*do not roll it out"):
            verified(document, keys, "here")
    else:
        assert verified(document, keys, "here") == RECORD


def test_a_key_that_is_listed_twice_is_revoked_by_either(pair: tuple[bytes, TrustedKeys]) -> None:
    private, trusted = pair
    document, only = signed(RECORD, read_private_key(private, "key", trusted)), trusted.keys[0]
    # As after a rotation of what it signs, when somebody then revokes it by hand.
    entries = [only.model_copy(update={"signs": ["records"]}), only.model_copy(update={"revoked": "it leaked"})]
    for listed in (entries, entries[::-1]):
        keys = TrustedKeys(listed, "the list")
        with pytest.raises(DeliveryError, match=r"was revoked \(it leaked\)"):
            verified(document, keys, "here")
        with pytest.raises(DeliveryError, match="what key signs would be refused"):
            read_private_key(private, "key", keys)


def test_a_key_of_another_kind_is_refused(pair: tuple[bytes, TrustedKeys], tmp_path: Path) -> None:
    wrong = write_keys(tmp_path, "wrong", ec.generate_private_key(ec.SECP384R1()))[0]
    with pytest.raises(DeliveryError, match="not on the curve P-256"):
        read_private_key(wrong.read_bytes(), "key", pair[1])
    with pytest.raises(DeliveryError, match="not an unencrypted private key in PEM"):
        read_private_key(b"nonsense", "key", pair[1])


def test_the_key_is_a_file_a_text_or_the_rehearsals_own(tmp_path: Path) -> None:
    own = tmp_path / ".localcloud/model/signing-key.pem"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"own")
    given = tmp_path / "given.pem"
    given.write_bytes(b"given")
    assert private_key_of(True, tmp_path, None, None)[0] == b"own"
    assert private_key_of(True, tmp_path, None, "text")[0] == b"text"
    assert private_key_of(False, tmp_path, given, "text")[0] == b"given"
    with pytest.raises(DeliveryError, match="RELEASE_SIGNING_KEY_FILE"):
        private_key_of(False, tmp_path, None, None)


def test_the_same_image_of_the_same_model_is_the_same_release() -> None:
    assert release_id("iris", "1.0.0", DIGEST, "ami-1") == release_id("iris", "1.0.0", DIGEST, "ami-1")
    assert release_id("iris", "1.0.0", DIGEST, "ami-1") != release_id("iris", "1.0.0", DIGEST, "ami-2")
