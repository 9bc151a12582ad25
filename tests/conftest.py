"""What every test process needs before anything else is imported."""

import socketserver

# Ansible replaces sys.intern when it is imported, and torch._dynamo refuses to be imported after that.
import torch._dynamo  # noqa: F401
from werkzeug.serving import BaseWSGIServer

# Servers look twice a second whether they shall end, and nearly every test of an account ends one.
for _server in (socketserver.BaseServer, BaseWSGIServer):
    _server.serve_forever.__defaults__ = (0.02,)
