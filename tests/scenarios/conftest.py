"""Makes what Molecule scenarios share importable, as their own tests import it."""

import sys
from pathlib import Path

SCENARIOS = Path(__file__).parents[2] / "molecule"
sys.path[:0] = [str(SCENARIOS / "shared"), str(SCENARIOS / "rollout" / "tests")]
