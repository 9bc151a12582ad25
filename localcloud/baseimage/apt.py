"""Where this machine gets Debian packages from (mirrors, proxy, certificate authorities), for the hosts to use too."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.errors import LocalCloudError

SUITE = "bookworm"
DEBIAN_SUITES = frozenset({"bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing"})
MIRROR_VARIABLE = "LOCALCLOUD_DEBIAN_MIRROR"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CERTIFICATES = Path("/usr/local/share/ca-certificates")


@dataclass(frozen=True)
class Source:
    """One archive of an apt configuration: its address and one of its suites."""

    uri: str
    suite: str


@dataclass(frozen=True)
class Mirrors:
    """Addresses of Debian's archive and of its security archive."""

    main: str
    security: str

    def sources_list(self) -> str:
        """Return the sources.list of a host."""
        return "".join(
            f"deb [signed-by={KEYRING}] {uri} {suite} main\n"
            for uri, suite in ((self.main, SUITE), (self.main, f"{SUITE}-updates"), (self.security, f"{SUITE}-security"))
        )


def parse_one_line(text: str) -> Iterator[Source]:
    """Yield the binary archives of a sources.list, one-line style of sources.list(5)."""
    for line in text.splitlines():
        match = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", line.strip())
        if match:
            yield Source(match[1].rstrip("/"), match[2])


def parse_deb822(text: str) -> Iterator[Source]:
    """Yield the binary archives of a .sources file, deb822 style of sources.list(5). Disabled stanzas are left out."""
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        fields = {
            name.strip().lower(): value.split()
            for name, _, value in (line.partition(":") for line in re.sub(r"\n\s+", " ", "\n".join(lines)).splitlines())
        }
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
            continue
        for uri in fields.get("uris", []):
            for suite in fields.get("suites", []):
                yield Source(uri.rstrip("/"), suite)


def machine_sources(directory: Path = Path("/etc/apt")) -> list[Source]:
    """Return every archive that the machine's apt uses."""
    found: list[Source] = []
    for path in (directory / "sources.list", *sorted((directory / "sources.list.d").glob("*"))):
        if path.is_file() and path.suffix in {".list", ".sources"}:
            parse = parse_deb822 if path.suffix == ".sources" else parse_one_line
            found.extend(parse(path.read_text(encoding="utf-8", errors="replace")))
    return found


def debootstrap_mirror() -> str:
    """Return the mirror that debootstrap itself would take, as its script names it."""
    script = shutil.which("debootstrap")
    found = re.search(r'^DEF_MIRROR="([^"]+)"', Path(script).read_text(), re.MULTILINE) if script else None
    if found is None:
        raise LocalCloudError(f"No Debian mirror is known on this machine: name one in {MIRROR_VARIABLE}.")
    return found[1]


def choose_mirrors(sources: list[Source], environ: Mapping[str, str] | None = None) -> Mirrors:
    """Choose Debian's mirrors: LOCALCLOUD_DEBIAN_MIRROR, else the machine's own, else debootstrap's default (on Ubuntu).

    A mirror's security archive is beside it, by Debian's convention, when the machine names none.
    """
    environ = os.environ if environ is None else environ
    chosen = environ.get(MIRROR_VARIABLE, "").rstrip("/")
    if chosen:
        if not re.match(r"(https?|file)://\S+$", chosen):
            raise LocalCloudError(
                f"{MIRROR_VARIABLE}={chosen!r} is not a Debian mirror's address: write it as http://HOST/debian."
            )
        return Mirrors(chosen, f"{chosen}-security")
    main = [source.uri for source in sources if source.suite in DEBIAN_SUITES and source.uri.endswith("/debian")]
    releases = {f"{suite}-security" for suite in DEBIAN_SUITES}
    security = [source.uri for source in sources if source.suite in releases]
    if not main:
        main = [debootstrap_mirror()]
    return Mirrors(main[0], security[0] if security else f"{main[0]}-security")


def proxy_configuration() -> str:
    """Return the proxy lines of the machine's apt configuration (apt.conf(5)), empty without a proxy."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    return "".join(f"{line}\n" for line in dump.splitlines() if re.match(r"Acquire::https?::Proxy\b.* \"\S+\";", line))


def certificate_authorities(directory: Path = CERTIFICATES) -> dict[str, bytes]:
    """Return the authorities that this machine trusts beyond Debian's own, by file name."""
    return {path.name: path.read_bytes() for path in sorted(directory.glob("*.crt"))}
