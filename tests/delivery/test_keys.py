"""Keys are added, rotated and revoked by commands, and the file that they write is what an inventory reads."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bundle.keys import TrustedKey
from delivery import cli
from delivery.errors import DeliveryError
from delivery.release.keys import added, keys_file, new_key, read, rotated, today
from tests.bundle.small import write_keys

DAY = date(2026, 5, 4)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("delivery.environment.ROOT", tmp_path)
    keys_file(tmp_path, "staging").parent.mkdir(parents=True)
    return tmp_path


def run(*arguments: str | Path, env: str = "staging") -> Result:
    return CliRunner().invoke(cli.main, ["keys", *map(str, arguments), "--env", env])


def test_keys_have_a_life_from_their_making_to_their_end(root: Path) -> None:
    first, second = (write_keys(root, name)[1] for name in ("first", "second"))
    assert run("list").output == ""
    assert run("add", first, "--signs", "models", "--signs", "records").exit_code == 0
    (only,) = read(keys_file(root, "staging"))
    assert (only.public_key, only.signs) == (first.read_text(), ["models", "records"])
    assert only.not_after == today() + timedelta(days=365)
    assert "is there already" in run("add", first, "--signs", "models").output

    assert run("rotate", second, "--signs", "models", "--not-after", "2999-12-31").exit_code == 0
    kept = {(key.name, tuple(key.signs)): key.not_after for key in read(keys_file(root, "staging"))}
    new = TrustedKey(public_key=second.read_text())
    assert kept == {
        (only.name, ("records",)): only.not_after,
        (only.name, ("models",)): today(),
        (new.name, ("models",)): date(2999, 12, 31),
    }

    assert "0 keys begin with 'zz', not one" in run("revoke", "zz", "--reason", "x").output
    assert run("revoke", only.name, "--reason", "lost with a laptop").exit_code == 0
    listed = run("list").output.splitlines()
    assert [line.split()[0] for line in listed if line.endswith("revoked: lost with a laptop")] == [only.name] * 2
    assert "is there already, revoked" in run("add", first, "--signs", "models").output


def test_a_key_signs_on_its_last_day_too(tmp_path: Path) -> None:
    key = TrustedKey(public_key=write_keys(tmp_path, "one")[1].read_text(), not_after=date(2027, 6, 30))
    assert key.end("models", date(2027, 6, 30)) == ""
    assert key.end("models", date(2027, 7, 1)) == f"the key {key.name} ended on 2027-06-30"


def test_what_cannot_be_trusted_is_refused_and_nothing_is_written(root: Path) -> None:
    private, public = write_keys(root, "pair")
    assert "is not a public key in PEM" in run("add", private, "--signs", "models").output
    assert "the rehearsal makes a key of its own" in run("add", public, "--signs", "models", env="local").output
    assert "an environment is a folder of inventories/" in run("add", public, "--signs", "models", env="other").output
    assert not keys_file(root, "staging").exists()
    keys_file(root, "staging").write_text("signing_keys: [{public_key: nonsense}]\n")
    with pytest.raises(DeliveryError, match=r"keys\.yml: 0: .*is not a public key in PEM; mend it by hand"):
        read(keys_file(root, "staging"))


VAULTED = "database_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3132\n"


@pytest.mark.parametrize("name", ["main.yml", "keys.yml"])
def test_a_vaulted_variable_is_passed_over(root: Path, name: str) -> None:
    path = keys_file(root, "staging")
    path.with_name(name).write_text(VAULTED)
    listed = run("list")
    assert (listed.exit_code, listed.output, listed.exception) == (0, "", None)


@pytest.mark.parametrize(("name", "variable"), [("keys.yml", "signing_keys"), ("main.yml", "model_public_key")])
def test_vaulted_keys_are_refused_and_not_taken_for_none(root: Path, name: str, variable: str) -> None:
    keys_file(root, "staging").with_name(name).write_text(VAULTED.replace("database_password", variable))
    assert "mend it by hand first" in run("list").output


@pytest.mark.parametrize("name", ["main.yml", "keys.yml"])
@pytest.mark.parametrize(
    ("text", "told"),
    [("a: 1\nb: [}\n", "{name}: line 2: is no YAML"), ("a: \x00", "{name} is no YAML"), ("- a\n", "{name} is no list of")],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(root: Path, name: str, text: str, told: str) -> None:
    keys_file(root, "staging").with_name(name).write_text(text)
    listed = run("list")
    assert listed.exit_code == 1
    assert told.format(name=name) in listed.output


def test_a_rotation_leaves_ended_and_revoked_keys_as_they_are(root: Path) -> None:
    old, gone, new = (write_keys(root, name)[1] for name in ("old", "gone", "new"))
    present = [
        TrustedKey(public_key=old.read_text(), not_after=date(2025, 1, 1)),
        TrustedKey(public_key=gone.read_text(), revoked="it leaked"),
    ]
    key = new_key(new, ["records"], DAY)
    assert rotated(present, key, DAY) == [*present, key] == added(present, key)
