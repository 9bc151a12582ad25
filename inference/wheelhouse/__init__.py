"""The archive of Python packages that hosts install from: made here, published, and held against what it should be."""
