"""The real load balancer: HAProxy, its health checks and what it tells."""
