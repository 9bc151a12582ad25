"""From a network to a bundle: programs for each engine, measured against the reference, sealed with their golden set."""

from training.export.model import ExportError, ModelToExport
from training.export.revision import code_revision
from training.export.writer import MIN_AGREEMENT, export

__all__ = ["MIN_AGREEMENT", "ExportError", "ModelToExport", "code_revision", "export"]
