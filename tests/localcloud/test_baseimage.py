"""Which mirror the base image comes from, and what makes it another image."""

import os
from pathlib import Path

import pytest

from localcloud.baseimage import build
from localcloud.baseimage.apt import (
    Mirrors,
    Source,
    certificate_authorities,
    choose_mirrors,
    machine_sources,
    parse_deb822,
    parse_one_line,
)
from localcloud.baseimage.build import BaseImage, digest, machine_files, recipe_files
from localcloud.errors import LocalCloudError
from localcloud.hosts.podman import Podman
from localcloud.settings import Settings

DEB822 = """# comment
Types: deb
URIs: http://mirror.example/debian/
Suites: trixie trixie-updates
Components: main

Types: deb deb-src
URIs: http://mirror.example/debian-security
Suites: trixie-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 abc: def

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
"""


def test_both_styles_of_sources_are_read() -> None:
    assert list(parse_deb822(DEB822)) == [
        Source("http://mirror.example/debian", "trixie"),
        Source("http://mirror.example/debian", "trixie-updates"),
        Source("http://mirror.example/debian-security", "trixie-security"),
    ]
    lines = ["# deb http://no.example x", "deb-src http://src.example s", "deb [arch=amd64] http://a.example/debian/ sid main"]
    assert list(parse_one_line("\n".join(lines))) == [Source("http://a.example/debian", "sid")]


def test_the_machines_own_mirrors_are_taken_whatever_its_release(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/node.list").write_text("deb https://deb.node.example/20 nodistro main\n")
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    (tmp_path / "sources.list.d/debian.sources.bak").write_text("deb http://old.example/debian sid main\n")
    mirrors = choose_mirrors(machine_sources(tmp_path), {})
    assert mirrors == Mirrors("http://mirror.example/debian", "http://mirror.example/debian-security")
    assert "http://mirror.example/debian-security bookworm-security main" in mirrors.sources_list()


def test_a_mirror_without_a_security_archive_has_it_beside() -> None:
    sources = [Source("http://mirror.example/debian", "bookworm")]
    assert choose_mirrors(sources, {}).security == "http://mirror.example/debian-security"


def test_ubuntu_uses_debootstraps_mirror_and_anybody_may_name_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "debootstrap"
    script.write_text('#!/bin/sh\nDEF_MIRROR="http://default.example/debian"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    ubuntu = [
        Source("http://archive.ubuntu.com/ubuntu", "noble"),
        Source("http://security.ubuntu.com/ubuntu", "noble-security"),
    ]
    assert choose_mirrors(ubuntu, {}).main == "http://default.example/debian"
    chosen = choose_mirrors(ubuntu, {"LOCALCLOUD_DEBIAN_MIRROR": "http://near.example/debian/"})
    assert chosen == Mirrors("http://near.example/debian", "http://near.example/debian-security")


def test_a_machine_that_knows_no_mirror_is_told_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LocalCloudError, match="LOCALCLOUD_DEBIAN_MIRROR"):
        choose_mirrors([], {})


def test_a_mirror_that_is_no_address_is_refused() -> None:
    with pytest.raises(LocalCloudError, match="LOCALCLOUD_DEBIAN_MIRROR"):
        choose_mirrors([], {"LOCALCLOUD_DEBIAN_MIRROR": "near.example"})


def test_the_machines_authorities_and_proxy_go_into_the_image(tmp_path: Path) -> None:
    (tmp_path / "company.crt").write_bytes(b"PEM")
    (tmp_path / "README").write_text("no certificate")
    files = machine_files(
        Mirrors("http://m/debian", "http://m/s"), 'Acquire::http::Proxy "p";\n', certificate_authorities(tmp_path)
    )
    assert files["usr/local/share/ca-certificates/company.crt"] == b"PEM"
    assert "etc/apt/apt.conf.d/90localcloud-proxy" in files
    assert not any("README" in path for path in files)


def test_the_image_is_another_when_anything_in_it_is() -> None:
    recipe = recipe_files()
    assert "Containerfile" in recipe
    assert not any("__pycache__" in path for path in recipe)
    reference = digest(recipe, {"a": b"1"})
    assert reference == digest(dict(reversed(recipe.items())), {"a": b"1"})
    assert len({reference, digest(recipe, {"a": b"2"}), digest(recipe, {"b": b"1"}), digest({"a": b"1"})}) == 4


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseImage:
    """A base image whose storage is empty: the podman on the path has none and builds none."""
    commands = tmp_path / "bin"
    commands.mkdir()
    stub(commands / "podman", 'case "$1" in image) exit 1;; build) echo "E: Unable to locate package x"; exit 100;; esac')
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("LOCALCLOUD_DEBIAN_MIRROR", "http://mirror.invalid/debian")
    monkeypatch.setattr(build, "KEYRING", commands)
    settings = Settings(root=tmp_path / "clone", run_dir=tmp_path / "run")
    settings.cache_dir.mkdir(parents=True)
    return BaseImage(Podman(settings))


def stub(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_mirror_out_of_reach_is_named_with_what_to_do(image: BaseImage, tmp_path: Path) -> None:
    stub(tmp_path / "bin/unshare", 'echo "E: Invalid Release file, no entry for main"; exit 1')
    said: list[str] = []
    with pytest.raises(LocalCloudError, match=r"http://mirror\.invalid/debian \(E: Invalid Release.*LOCALCLOUD_DEBIAN_MIRROR"):
        image.ensure(said.append)
    assert "http://mirror.invalid/debian" in said[0]
    assert [path.name for path in image.podman.settings.cache_dir.iterdir()] == ["debootstrap.log"]


def test_a_package_that_cannot_be_installed_is_named(image: BaseImage, tmp_path: Path) -> None:
    stub(tmp_path / "bin/unshare", 'for target; do :; done; mkdir -p "$(eval echo \\${$(($# - 1))})"')
    with pytest.raises(LocalCloudError, match="E: Unable to locate package x"):
        image.ensure(lambda _line: None)


def test_keys_that_are_missing_name_their_package(image: BaseImage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "KEYRING", Path("/nonexistent"))
    with pytest.raises(LocalCloudError, match="apt-get install debian-archive-keyring"):
        image.ensure(lambda _line: None)
