"""What every test process needs before anything else is imported."""

import functools
import os
import socketserver
from collections.abc import Iterator

import boto3
import botocore.session
import pytest

# Ansible replaces sys.intern when it is imported, and torch._dynamo refuses to be imported after that.
import torch._dynamo  # noqa: F401
from werkzeug.serving import BaseWSGIServer

# Each session reads the models of services from disk, which takes longer than most calls, and moto gives each test a new one.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

# A make that runs tests tells the makes below it how it was called, and theirs is another command.
for _name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
    os.environ.pop(_name, None)

# Servers look twice a second whether they shall end, and nearly every test of an account ends one.
for _server in (socketserver.BaseServer, BaseWSGIServer):
    _server.serve_forever.__defaults__ = (0.02,)


@pytest.fixture(autouse=True)
def no_session_of_another_test() -> Iterator[None]:
    """boto3's own session keeps the credentials with which it was first used, and each account gives out its own."""
    boto3.DEFAULT_SESSION = None
    yield
    boto3.DEFAULT_SESSION = None
