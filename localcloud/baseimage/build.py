"""Building the base image: debootstrap's minimal system once, then a Containerfile over it."""

import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from localcloud.baseimage.apt import (
    KEYRING,
    MIRROR_VARIABLE,
    SUITE,
    Mirrors,
    certificate_authorities,
    choose_mirrors,
    machine_sources,
    proxy_configuration,
)
from localcloud.errors import LocalCloudError
from localcloud.hosts.podman import Podman

RECIPE = Path(__file__).parent
REPOSITORY = "localhost/pettracker/base"
# Certificate authorities come first: a mirror may be reached over TLS.
BOOTSTRAP = ("debootstrap", "--variant=minbase", "--include=ca-certificates", f"--keyring={KEYRING}")
# What debootstrap takes from the machine, and what a host fetches anew.
UNWANTED = ("etc/hostname", "etc/resolv.conf", "var/cache/apt", "var/lib/apt/lists")
BUILD_TIMEOUT = 1200
Say = Callable[[str], None]


def recipe_files(recipe: Path = RECIPE) -> dict[str, bytes]:
    """Return the files that make the image what it is, by their path in the recipe."""
    paths = [recipe / "Containerfile", *sorted((recipe / "rootfs").rglob("*"))]
    return {
        str(path.relative_to(recipe)): path.read_bytes() for path in paths if path.is_file() and "__pycache__" not in path.parts
    }


def machine_files(mirrors: Mirrors, proxy: str, authorities: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files that a host takes from this machine, by their path on the host."""
    files = {"etc/apt/sources.list": mirrors.sources_list().encode()}
    if proxy:
        files["etc/apt/apt.conf.d/90localcloud-proxy"] = proxy.encode()
    files |= {f"usr/local/share/ca-certificates/{name}": content for name, content in authorities.items()}
    return files


def digest(*parts: dict[str, bytes]) -> str:
    """Return twelve hexadecimal digits that change whenever a path or a content does."""
    total = hashlib.sha256()
    for part in parts:
        for path, content in sorted(part.items()):
            total.update(f"{path}\0{len(content)}\0".encode())
            total.update(content)
    return total.hexdigest()[:12]


class BaseImage:
    """The base image of this clone, in the container storage in its cache."""

    def __init__(self, podman: Podman) -> None:
        """Read what determines the image: the recipe, and the machine's mirrors, proxy and authorities."""
        self.podman = podman
        self.mirrors = choose_mirrors(machine_sources())
        self.recipe = recipe_files()
        self.machine = machine_files(self.mirrors, proxy_configuration(), certificate_authorities())

    @property
    def reference(self) -> str:
        """Name of the image, with a tag made from its contents' digest."""
        below = {"FROM": self.minimal_reference.encode()}
        return f"{REPOSITORY}:{digest(self.recipe, self.machine, below)}"

    @property
    def minimal_reference(self) -> str:
        """Name of debootstrap's result, on which the Containerfile builds."""
        recipe = " ".join((*BOOTSTRAP, SUITE, self.mirrors.main, *UNWANTED))
        return f"{REPOSITORY}-minimal:{digest({'recipe': recipe.encode()})}"

    def exists(self, reference: str) -> bool:
        """Tell whether the clone's storage holds an image."""
        return self.podman.run("image", "exists", reference, check=False).returncode == 0

    def ensure(self, say: Say) -> str:
        """Return the image's reference, building it (about two minutes) if the cache lacks it."""
        if not self.exists(self.reference):
            started = time.monotonic()
            if not self.exists(self.minimal_reference):
                self._bootstrap(say)
            self._customise(say)
            self._forget_others()
            say(f"base image {self.reference} built in {time.monotonic() - started:.0f} s; later runs reuse it")
        return self.reference

    def _bootstrap(self, say: Say) -> None:
        """Import debootstrap's minimal Debian, made beside the storage since /tmp may be in memory."""
        say(f"base image: Debian {SUITE} from {self.mirrors.main} (about a minute, once per clone)")
        if not KEYRING.exists():
            raise LocalCloudError("Debian's archive keys are missing: apt-get install debian-archive-keyring.")
        for abandoned in self.podman.settings.cache_dir.glob("debootstrap-*/"):
            shutil.rmtree(abandoned)
        with tempfile.TemporaryDirectory(dir=self.podman.settings.cache_dir, prefix="debootstrap-") as directory:
            target, archive = Path(directory, "root"), Path(directory, "root.tar")
            log = self.podman.settings.cache_dir / "debootstrap.log"
            # In a mount namespace of its own, so that nothing stays mounted in the target if it is killed.
            command = ["unshare", "--mount", *BOOTSTRAP, SUITE, str(target), self.mirrors.main]
            with log.open("w") as output:
                done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
            if done.returncode:
                last = (log.read_text().strip().splitlines() or ["no message"])[-1]
                raise LocalCloudError(
                    f"debootstrap could not get Debian {SUITE} from {self.mirrors.main} ({last}). Check the network, "
                    f"or name a mirror that this machine reaches in {MIRROR_VARIABLE}. The log is {log}."
                )
            without = [f"--exclude=./{path}" for path in UNWANTED]
            subprocess.run(["tar", "--create", f"--file={archive}", f"--directory={target}", *without, "."], check=True)
            shutil.rmtree(target)
            self.podman.run("import", "--quiet", str(archive), self.minimal_reference, timeout=BUILD_TIMEOUT)

    def _customise(self, say: Say) -> None:
        """Build the Containerfile; chroot isolation needs no runtime and sees the machine's network."""
        say("base image: systemd, cloud-init and Python (about a minute, once per clone)")
        with tempfile.TemporaryDirectory(prefix="pettracker-base-") as directory:
            context = Path(directory)
            for folder, files in (("", self.recipe), ("machine", self.machine)):
                for name, content in files.items():
                    path = context / folder / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
            log = self.podman.settings.cache_dir / "base-image.log"
            done = self.podman.run(
                "build", "--isolation=chroot", "--network=host", "--no-cache", "--squash", "--pull=never",
                f"--build-arg=DEBIAN={self.minimal_reference}", f"--tag={self.reference}", str(context),
                timeout=BUILD_TIMEOUT, check=False,
            )  # fmt: skip
            log.write_text(done.stdout + done.stderr)
        if done.returncode:
            errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("E: ", "Error"))]
            raise LocalCloudError(
                f"the base image could not be built from {self.mirrors.main} ({(errors or ['no message'])[0]}). "
                f"The log is {log}."
            )

    def _forget_others(self) -> None:
        """Remove base images of earlier recipes, so that the cache holds one."""
        listed = self.podman.run("images", "--noheading", "--format={{.Repository}}:{{.Tag}}").stdout.split()
        for reference in listed:
            if reference.startswith(REPOSITORY) and reference not in {self.reference, self.minimal_reference}:
                self.podman.run("image", "rm", "--force", reference, check=False)
