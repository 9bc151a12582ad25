"""Session Manager of the local cloud: sessions, their data channels, and what stands in for the agent and the client's plugin.

The real service speaks a binary protocol over a WebSocket between AWS's plugin and AWS's agent. Here a data channel is a TCP
connection on loopback: one line of JSON each way, then the bytes of the terminal or of the forwarded port. Everything above it
(the API, `aws ssm start-session`, Ansible's connection) is as on AWS.
"""
