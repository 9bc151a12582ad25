"""cloud-init's EC2 data source for a host that is a container."""
