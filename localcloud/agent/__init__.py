"""A stand-in for Amazon's CloudWatch agent: same package name, paths and control command, a part of its configuration.

AWS ships the agent for its own endpoints; a rehearsal needs one that talks to the local cloud's API. What it does not
understand it refuses, so a configuration that works here means the same to the real agent.
"""

from localcloud.agent.package import build_agent_package

__all__ = ["build_agent_package"]
