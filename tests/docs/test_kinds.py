"""docs/kinds.md is what the kinds say of themselves."""

from pathlib import Path

from click.testing import CliRunner

from delivery.cli import main

ROOT = Path(__file__).parents[2]


def test_the_page_is_as_the_command_writes_it() -> None:
    written = CliRunner().invoke(main, ["kinds"])
    assert written.exit_code == 0, written.output
    assert written.stdout == (ROOT / "docs/kinds.md").read_text(), "python -m delivery kinds >docs/kinds.md"


def test_the_page_says_whose_a_field_is_and_who_may_remove_a_bucket() -> None:
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in (ROOT / "docs/kinds.md").read_text().splitlines()}
    assert "`desired_capacity`, `instances`: Auto Scaling, between min_size and max_size" in rows["Auto Scaling group"]
    assert rows["NAT gateway"].endswith("| priced | `deploy` | `destroy` |")
    assert rows["bucket"].endswith("| priced | `deploy` |  |")
