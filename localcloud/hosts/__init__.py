"""Real hosts: containers with systemd, their network, and who keeps them as the API says."""
