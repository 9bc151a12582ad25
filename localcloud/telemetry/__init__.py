"""What CloudWatch knows of hosts and balancers, and the alarms over it."""
