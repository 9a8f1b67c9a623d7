"""How a recording is compressed, as one frozen value; without what does it, so that help is quick."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liafseq.tasks.fields import check_choice, check_whole, digest, real

if TYPE_CHECKING:
    from liafseq.tasks.dvs.events import Sensor

__all__ = ["METHODS", "Compression"]

METHODS = ("time", "count", "voxel", "synapse")


@dataclass(frozen=True)
class Compression:
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

    >>> Compression("synapse", steps=4, tau_us=30_000.0).key()
    'synapse-T4-p1-01c4d593'
    """

    method: str = "synapse"
    steps: int = 8
    step_us: int = 0
    tau_us: float = 20_000.0
    pool: int = 1
    longest: int = 512

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        for name, least in (("steps", 0), ("step_us", 0), ("pool", 1), ("longest", 1)):
            check_whole(name, getattr(self, name), least)
        object.__setattr__(self, "tau_us", real("tau_us", self.tau_us, 0.0, False, float("inf"), False))
        if (self.steps > 0) == (self.step_us > 0):
            raise ValueError(
                f"one of steps and step_us must be above 0, the other 0; got {self.steps} and {self.step_us}"
            )
        if self.method == "count" and self.step_us:
            raise ValueError(
                f"step_us must be 0 for 'count', whose steps have no duration, got {self.step_us}"
            )
        if self.steps > self.longest:
            raise ValueError(f"steps must be at most longest, {self.longest}, got {self.steps}")

    def key(self) -> str:
        """A name for a cache: the same for equal settings, another for others."""
        size = f"T{self.steps}" if self.steps else f"{self.step_us}us"
        return f"{self.method}-{size}-p{self.pool}-{digest(dataclasses.asdict(self))}"

    def shape(self, sensor: Sensor) -> tuple[int, int]:
        """Height and width of the maps: the sensor's by the pooling, rounded up."""
        return -(-sensor.height // self.pool), -(-sensor.width // self.pool)
