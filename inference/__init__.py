"""The inference service: one model bundle behind HTTP."""
