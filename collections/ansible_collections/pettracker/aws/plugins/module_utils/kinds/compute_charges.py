"""What single instances, volumes and their images cost; the kinds inherit it. Pure."""

from collections.abc import Iterator

from .charges import Fields, Gap, Item, Place, line, plain, volume_charges

# An instance in one of these costs its volumes only, which are resources of their own.
UNPAID = ("stopping", "stopped", "shutting-down", "terminated")


class InstanceCharges:
    """Of one that no group started."""

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        """Yields the hours of one that runs."""
        resource, kind, prices = f"instance {name}", fields["instance_type"], place.prices["instances"]
        if fields.get("state") in UNPAID:
            return
        if kind not in prices:
            yield Gap(resource, f"no price known for {kind} in {place.region}")
            return
        price = prices[kind] * place.usage["hours"]
        if fields["spot"]:
            yield line(resource, "instances", f"{kind} Spot", price * (1 - place.usage["spot_discount"]))
        else:
            yield line(resource, "instances", f"{kind} On-Demand", price)


class VolumeCharges:
    """Of one that is no part of a launch template."""

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        """Yields its size, and what it has of speed above that."""
        yield from volume_charges(f"volume {name}", name, fields, place)


class ImageCharges:
    """Of the snapshot of which an image is made."""

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        """Yields what is assumed to be written to it."""
        yield _snapshot(f"image {name}", place)


class SnapshotCharges:
    """Of one that no image is made of; that of an image is the image's."""

    def charges(self, name: str, fields: Fields, place: Place) -> Iterator[Item]:
        """Yields what is assumed to be written to it: its size is that of the volume, which is never full."""
        yield _snapshot(f"snapshot {name}", place)


def _snapshot(resource: str, place: Place) -> Item:
    gb = place.usage["image_gb"]
    return line(resource, "volumes", f"snapshot, {plain(gb)} GB", gb * place.prices["volumes"]["snapshot_gb_month"])
