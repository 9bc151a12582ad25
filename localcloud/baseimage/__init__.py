"""The base host image: Debian 12 with systemd and cloud-init, as near to Debian's EC2 image as a container gets."""
