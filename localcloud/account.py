"""The one AWS account: API, instances, fleet, put together and run as threads of this process."""

from __future__ import annotations

import threading

from localcloud import backends
from localcloud.api import ApiServer, create_application
from localcloud.corrections.ec2_images import register_base_image
from localcloud.fleet import Fleet
from localcloud.reconciler import HostDriver, Reconciler
from localcloud.settings import Settings


class Account:
    """Everything that answers or follows API calls. The balancer joins by `reconciler.on_change` and the backends."""

    def __init__(self, settings: Settings, hosts: HostDriver) -> None:
        """Load moto and correct it; nothing is served before `open`."""
        self.settings = settings
        self.reconciler = Reconciler(hosts)
        self.fleet = Fleet()
        self.reconciler.on_change(self.fleet.wake)
        self.api = ApiServer(settings, create_application(self.reconciler, self.fleet))

    def open(self) -> int:
        """Serve the API on loopback and start the fleet; return the API's port."""
        port = self.api.listen("127.0.0.1")
        threading.Thread(target=self.fleet.run, name="fleet", daemon=True).start()
        return port

    def register_base_image(self, image: str) -> str:
        """Offer `image` as Debian's AMI; return its id."""

        return register_base_image(self.reconciler, backends.ec2(), image)

    def close(self) -> None:
        """Stop serving; hosts are left to their driver."""
        self.fleet.close()
        self.reconciler.close()
        self.api.close()
