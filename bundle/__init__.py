"""The bundle format: one immutable, verified directory per model version, shared by training and serving."""

from bundle.errors import BundleError, RegistryError
from bundle.loading import Bundle, digest_of, load, seal
from bundle.manifest import Manifest

__all__ = ["Bundle", "BundleError", "Manifest", "RegistryError", "digest_of", "load", "seal"]
