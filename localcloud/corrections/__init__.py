"""Where stock moto differs from AWS, one module per service, each correction with the AWS document it follows.

Most corrections replace one method of a moto class. They are applied before the first request and may be applied again
in the same process (the tests do); each application starts from moto's own code. Closing the account takes them back.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localcloud.account import Account


def modules() -> Iterator[ModuleType]:
    """Yield the modules of this package."""
    for found in pkgutil.iter_modules(__path__):
        yield importlib.import_module(f"{__name__}.{found.name}")


def apply(account: Account) -> None:
    """Correct moto, with what each module here has for it; what real parts have to know goes to those of `account`."""
    for module in modules():
        if hasattr(module, "apply"):
            module.apply(account)
