"""Debian's EC2 data source, told what a container cannot find out.

On EC2 the platform is read from DMI tables, which a container does not have; an unknown platform is never asked for an
IMDSv2 token. Nothing else differs. The DHCP variant is left out, since a container's network is up before it starts.
cloud-init finds this module through `datasource_pkg_list`.
"""

from collections.abc import Iterable

from cloudinit import sources
from cloudinit.sources import DataSourceEc2 as ec2


class DataSourceEc2(ec2.DataSourceEc2):
    """EC2's data source on a platform known to be AWS."""

    def _get_cloud_name(self) -> str:
        return ec2.CloudNames.AWS


datasources = [(DataSourceEc2, (sources.DEP_FILESYSTEM, sources.DEP_NETWORK))]


def get_datasource_list(depends: Iterable[str]) -> list[type]:
    """Return the data sources whose dependencies are `depends`, as cloud-init asks of every data source module."""
    return sources.list_from_depends(depends, datasources)
