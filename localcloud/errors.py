"""Errors for the person at the terminal: what was wrong, where, and what to do."""

import click


class LocalCloudError(click.ClickException):
    """The local cloud cannot do what was asked. The command line prints the message and exits with status 1."""


class HostError(LocalCloudError):
    """One host could not be launched, stopped, rebooted, committed or removed."""
