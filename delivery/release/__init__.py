"""The release of a model: from a signed bundle to a pinned model, a verified image and a signed record of both."""
