"""This server against the ones that its users could pick instead; see docs/serving-benchmark.md."""
