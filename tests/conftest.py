"""What every test process needs before anything else is imported."""

# Ansible replaces sys.intern when it is imported, and torch._dynamo refuses to be imported after that.
import torch._dynamo  # noqa: F401
