"""What is odd about data that can be used. A person decides whether it is wrong: only they know what a class means."""

import re
import unicodedata
from collections import defaultdict

from training.data.folder import is_part
from training.data.items import Found
from training.data.listing import some


def doubts(found: Found) -> list[str]:
    """Return a line for each kind of oddity."""
    return [*_parts_of_a_split(found), *_spellings(found.classes), *_contradictions(found)]


def _parts_of_a_split(found: Found) -> list[str]:
    if not all(map(is_part, found.classes)):
        return []
    return [f"the classes are called {some(found.classes)}, as the parts of a split are: is that what shall be told apart?"]


def _spellings(classes: list[str]) -> list[str]:
    """Name classes that read the same: capitals, blanks and hyphens, and the two ways in which Unicode writes an accent."""
    alike = defaultdict(list)
    for name in classes:
        alike[re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name)).strip().casefold()].append(name)
    groups = [" and ".join(map(ascii, names)) for names in alike.values() if len(names) > 1]
    if not groups:
        return []
    return [
        f"classes whose names differ in capitals, blanks or accents only: {some(groups)}; if they are one, give them one name"
    ]


def _contradictions(found: Found) -> list[str]:
    """Name items of one content in two classes: no model can be right about both, in training or in a test."""
    first: dict[bytes, int] = {}
    pairs = []
    for index, digest in enumerate(found.digests):
        other = first.setdefault(digest, index)
        if found.items.labels[other] != found.items.labels[index]:
            pairs.append(f"{_item(found, other)} and {_item(found, index)}")
    if not pairs:
        return []
    return [f"{len(pairs):,} items are the same as one of another class: {some(pairs)}; remove those that are wrong"]


def _item(found: Found, index: int) -> str:
    return f"{found.items.ids[index]} ({found.classes[found.items.labels[index]]})"
