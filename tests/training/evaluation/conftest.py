"""What these tests share."""

import pytest

from training.evaluation import report


@pytest.fixture(name="undrawn")
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the plots out of the report: drawing takes a second, and most tests are about figures."""
    monkeypatch.setattr(report, "draw_all", lambda *_: None)
