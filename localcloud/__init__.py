"""One AWS account on one machine: moto's API, corrected, with real hosts, metadata, balancer and fleet behind it.

It is test equipment: bound to loopback and to its own bridges, holding one account in memory. What it proves is this
project's logic on real parts; it is not a proof of how AWS behaves.
"""
