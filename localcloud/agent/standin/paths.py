"""Where the agent keeps things: the real agent's own places."""

from pathlib import Path

ROOT = Path("/opt/aws/amazon-cloudwatch-agent")
CONFIGURATIONS = ROOT / "etc/amazon-cloudwatch-agent.d"
TRANSLATED = ROOT / "etc/amazon-cloudwatch-agent.toml"
LOG = ROOT / "logs/amazon-cloudwatch-agent.log"
STATE = ROOT / "logs/state"
# What belongs to the user that the agent runs as.
OWNED = (ROOT / "logs", ROOT / "etc", ROOT / "var")
UNIT = "amazon-cloudwatch-agent.service"
VERSION = "1.300000.0-standin1"
