"""What every test process needs before anything else is imported."""

import functools
import socketserver

import botocore.session

# Ansible replaces sys.intern when it is imported, and torch._dynamo refuses to be imported after that.
import torch._dynamo  # noqa: F401
from werkzeug.serving import BaseWSGIServer

# Each session reads the models of services from disk, which takes longer than most calls, and moto gives each test a new one.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

# Servers look twice a second whether they shall end, and nearly every test of an account ends one.
for _server in (socketserver.BaseServer, BaseWSGIServer):
    _server.serve_forever.__defaults__ = (0.02,)
