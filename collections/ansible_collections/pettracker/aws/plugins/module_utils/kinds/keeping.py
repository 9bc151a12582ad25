"""How resources of a kind are kept as variables describe them: read, compared, and corrected unless in check mode."""

from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from ..state import State, any_differ, as_diff, differences
from .kind import Answers, Clients, Kind, as_set


class Kept(Kind):
    """A kind whose resources are known by names, and described by one entry of a module's options each."""

    # Of fields, who notices that they change, as a sentence.
    interrupts: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def read(self, clients: Clients, name: str) -> Answers:
        """Returns AWS's answers about one, by operation; nothing where there is none."""

    def read_all(self, clients: Clients, names: Collection[str]) -> dict[str, Answers]:
        """Returns AWS's answers about several; a kind of which AWS describes many at once asks for them so."""
        return {name: self.read(clients, name) for name in names}

    @abstractmethod
    def wanted(self, entry: Mapping[str, Any], found: State | None) -> State:
        """Returns an entry of the options in the fields of `state`. Pure."""

    @abstractmethod
    def apply(self, clients: Clients, name: str, wanted: State, answers: Answers) -> None:
        """Makes the calls that make one where there are no answers, and correct it where there are."""

    def called(self, name: str) -> str:
        """Returns what a plan calls one."""
        return name

    def declared(self, entry: Mapping[str, Any]) -> frozenset[str]:
        """Returns the names of the parts that an entry of the options declares."""
        return frozenset()

    def identity(self, name: str, answers: Answers) -> str:
        """Returns by what `owned` knows one."""
        return name


def keep(module: Any, kind: Kept, entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the result of a module that keeps one resource of `kind` for each of `entries`, by its name."""
    diffs, managed = [], []
    left: dict[str, list[str]] = {}
    read = kind.read_all(module.client, entries)
    for name, entry in entries.items():
        answers = read[name]
        found = kind.state(answers) if answers else None
        wanted, found = as_set(kind.wanted(entry, found), found, kind.deviations(answers) if answers else [])
        diffs.append(as_diff(f"{kind.name} {kind.called(name)}", wanted, found, interrupts=kind.interrupts))
        if differences(wanted, found) and not module.check_mode:
            kind.apply(module.client, name, wanted, answers)
            answers = answers or kind.read(module.client, name)
        if answers:
            managed.append(kind.identity(name, answers))
            for part, ones in kind.nobodys(answers, kind.declared(entry)).items():
                left.setdefault(part, []).extend(f"{kind.called(name)}/{one}" for one in ones)
    return {"changed": any_differ(diffs), "diff": diffs, "managed": {kind.name: managed}, "nobodys": left}
