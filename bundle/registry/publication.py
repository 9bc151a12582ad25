"""How files become a thing that is published at once and never changes.

What seals it (a document with the sha256 of every file) is written last and only if none is there, so whoever sees it
sees everything, and of two publishers one wins. Running an interrupted publication again completes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bundle.errors import RegistryError
from bundle.loading import entry_of
from bundle.manifest import FileEntry
from bundle.registry.store import Store


@dataclass(frozen=True)
class Publication:
    """What is to be published.

    Attributes:
        prefix: of all keys, with a slash at its end.
        files: where each file is, by its name below the prefix.
        seal_name, seal: the document that seals it.
        late: files that the seal does not name. They may follow the rest, and the first of each stays.
        occupied: what to say where the prefix holds something else.
    """

    prefix: str
    files: Mapping[str, tuple[Path, FileEntry]]
    seal_name: str
    seal: bytes
    occupied: str
    late: Mapping[str, Path] = field(default_factory=dict)

    def publish(self, store: Store) -> int:
        """Send what is not there yet and return how many objects were sent: 0 means that everything was there.

        Raises:
            RegistryError: the prefix holds something else, or S3 refused.
        """
        present = store.read(self.prefix + self.seal_name)
        if present not in {None, self.seal}:
            raise RegistryError(self.occupied)
        sent = store.upload(self.prefix, self.files)
        # What an interrupted publication left is replaced; what was published stays.
        missing = {
            name: (path, entry_of(path))
            for name, path in self.late.items()
            if present is None or store.read(self.prefix + name) is None
        }
        sent += store.upload(self.prefix, missing)
        if present is None:
            if store.write_once(self.prefix + self.seal_name, self.seal):
                sent += 1
            elif store.read(self.prefix + self.seal_name) != self.seal:
                raise RegistryError(self.occupied)
        return sent
