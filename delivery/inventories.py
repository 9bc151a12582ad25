"""Where the inventories are: what all environments share, and over it what each of them says itself."""

from pathlib import Path

FOLDER = Path("inventories")
_COMMON = "common"


def environments(root: Path) -> list[str]:
    """Return the names of the environments of a work tree."""
    return sorted(path.parent.name for path in (root / FOLDER).glob("*/environment.yml"))


def sources(root: Path, environment: str) -> list[Path]:
    """Return the inventories of an environment, the one that goes before the others last."""
    return [root / FOLDER / _COMMON, root / FOLDER / environment]


def variable_files(root: Path, environment: str) -> list[Path]:
    """Return the files with the variables of all of an environment's hosts, in the order in which Ansible reads them."""
    return [path for source in sources(root, environment) for path in sorted(source.glob("group_vars/all/*"))]
