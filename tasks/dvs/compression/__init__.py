"""From events to a few steps: the settings; what does it is in :mod:`liafseq.tasks.dvs.compression.maps`."""

from liafseq.tasks.dvs.compression.settings import METHODS, Compression

__all__ = ["METHODS", "Compression"]
