"""The contenders' services, each as its own documents would have it, around one of the pipelines of `pipeline.py`."""
