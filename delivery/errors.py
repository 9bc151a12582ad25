"""The errors of this package."""


class DeliveryError(Exception):
    """Something was refused or cannot be done; the message says what, where, and what to do."""
