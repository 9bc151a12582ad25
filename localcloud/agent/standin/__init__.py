"""The stand-in itself. Standard library only: a host installs nothing for it."""
