"""How a recording is compressed, as one frozen value; without what does it, so that help is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Field, model_validator

from liafseq.tasks.config import FieldError
from liafseq.tasks.settings import Settings, digest

if TYPE_CHECKING:
    from liafseq.tasks.dvs.events import Sensor

__all__ = ["METHODS", "Compression", "Method"]

Method = Literal["time", "count", "voxel", "synapse"]

METHODS: tuple[str, ...] = get_args(Method)

_Whole = Annotated[int, Field(ge=0, lt=2**63)]
_Positive = Annotated[int, Field(ge=1, lt=2**63)]


class Compression(Settings):
    """How a recording becomes a few maps: see :mod:`liafseq.tasks.dvs.compression.maps`.

    Attributes:
        method: ``"time"``, frames of equal duration; ``"count"``, frames of equal numbers of events;
            ``"voxel"``, bilinear weights in time; ``"synapse"``, spatio-temporal compression.
        steps: T, for recordings of any duration; 0 where ``step_us`` is given.
        step_us: duration of a step in microseconds: T then grows with the recording; 0 where
            ``steps`` is given. Not for ``"count"``.
        tau_us: time constant of the synapse in microseconds; for ``"synapse"`` alone.
        pool: s, the side of the blocks of pixels whose events are added up.
        longest: most steps of a recording; with ``step_us`` a longer one is cut off there.

    Raises:
        TypeError, ValueError: a value of another type or out of range; names the field.

    >>> Compression(method="synapse", steps=4, tau_us=30_000.0).key()
    'synapse-T4-p1-01c4d593'
    """

    method: Method = "synapse"
    steps: _Whole = 8
    step_us: _Whole = 0
    tau_us: Annotated[float, Field(gt=0)] = 20_000.0
    pool: _Positive = 1
    longest: _Positive = 512

    @model_validator(mode="after")
    def _fits_together(self) -> Compression:
        if (self.steps > 0) == (self.step_us > 0):
            raise FieldError(
                "steps",
                ": one of steps and step_us must be above 0, the other 0; "
                f"got {self.steps} and {self.step_us}",
            )
        if self.method == "count" and self.step_us:
            raise FieldError(
                "step_us", f"must be 0 for 'count', whose steps have no duration, got {self.step_us}"
            )
        if self.steps > self.longest:
            raise FieldError("steps", f"must be at most longest, {self.longest}, got {self.steps}")
        return self

    def key(self) -> str:
        """A name for a cache: the same for equal settings, another for others."""
        size = f"T{self.steps}" if self.steps else f"{self.step_us}us"
        return f"{self.method}-{size}-p{self.pool}-{digest(self.to_json())}"

    def shape(self, sensor: Sensor) -> tuple[int, int]:
        """Height and width of the maps: the sensor's by the pooling, rounded up."""
        return -(-sensor.height // self.pool), -(-sensor.width // self.pool)
