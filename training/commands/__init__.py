"""The commands of `python -m training`, one module each. They import torch, which takes seconds, when they are run."""
