"""Recordings that are made here: real handwritten digits and drawn gestures before a simulated camera."""

from liafseq.tasks.dvs.generated.digits import DigitOptions
from liafseq.tasks.dvs.generated.gestures import PAIRS, TIME_BLIND_CEILING, GestureOptions
from liafseq.tasks.dvs.generated.recordings import GENERATED, SPLITS, GeneratedRecordings, open_generated

__all__ = [
    "GENERATED",
    "PAIRS",
    "SPLITS",
    "TIME_BLIND_CEILING",
    "DigitOptions",
    "GeneratedRecordings",
    "GestureOptions",
    "open_generated",
]
