"""The emulated AWS API: moto's own application, corrected, on as many addresses as the hosts need."""

from __future__ import annotations

import logging
import os
import socket
import threading
from typing import TYPE_CHECKING

from moto.moto_server import werkzeug_app
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from localcloud import corrections
from localcloud import settings as constants
from localcloud.access.front import Front, WsgiApplication
from localcloud.access.keys import Keys
from localcloud.corrections.patching import Seam, addition
from localcloud.errors import LocalCloudError
from localcloud.settings import Settings

if TYPE_CHECKING:
    from localcloud.account import Account

# linux/in.h: bind to an address that no interface has yet (a VPC's bridge appears with its first host).
IP_FREEBIND = 15

MOTO_ENVIRONMENT = {
    # AmazonSSMManagedInstanceCore and its like exist in every account.
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    # The only public image is the base image that this cloud can really boot.
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    "MOTO_ACCOUNT_ID": constants.ACCOUNT_ID,
}

NO_PAGES = Seam("no page of any browser has business here")


def prepare_moto() -> None:
    """Set what moto reads from the environment when it first needs a backend."""
    os.environ.update(MOTO_ENVIRONMENT)
    # Moto must never look for this machine's own AWS account.
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "nobodys")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "nobodys")
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")


def create_application(account: Account) -> WsgiApplication:
    """Return moto's WSGI application, corrected; instances become the business of `account`'s reconciler, and so on."""
    prepare_moto()
    # Moto has read its setting when it was imported.
    addition(werkzeug_app, "DISABLE_GLOBAL_CORS", NO_PAGES)(True)
    corrections.apply(account)
    application: WsgiApplication = DomainDispatcherApplication(create_backend_app)
    return application


class _QuietHandler(MotoRequestHandler):
    """Keeps connections open between requests and logs nothing per request."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        logging.getLogger(__name__).debug("%s %s", self.requestline, code)


class ApiServer:
    """Serves one application on several addresses, each with its own accept thread, to those who have a key of `keys`."""

    def __init__(self, settings: Settings, application: WsgiApplication, keys: Keys) -> None:
        self._settings = settings
        self._servers: dict[str, BaseWSGIServer] = {}
        self._application = Front(application, keys, lambda: self._servers)

    def listen(self, address: str) -> int:
        """Serve on `address` (also before an interface has it); return the port. LocalCloudError if it is taken."""
        if address in self._servers:
            return self._servers[address].port
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
            listener.bind((address, self._settings.api_port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            raise LocalCloudError(
                f"Cannot serve the API on {address}:{self._settings.api_port}: {error.strerror}. "
                "Set LOCALCLOUD_API_PORT to a free port."
            ) from error
        port = int(listener.getsockname()[1])
        server = make_server(
            address, port, self._application, threaded=True, request_handler=_QuietHandler, fd=listener.fileno()
        )
        listener.close()  # make_server works on its own duplicate
        self._servers[address] = server
        threading.Thread(target=server.serve_forever, name=f"api-{address}", daemon=True).start()
        return port

    def close(self) -> None:
        """Stop serving everywhere."""
        for server in self._servers.values():
            server.shutdown()
            server.server_close()
        self._servers.clear()
