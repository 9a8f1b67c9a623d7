"""The numbers of a population of neurons: as our recurrence has them, and as a node of NIR has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

__all__ = ["RESISTANCES", "Dynamics"]

Array = NDArray[Any]

RESISTANCES = ("layer", "one", "tau/dt")


def _above(threshold: Array, dtype: Any) -> Array:
    """The least number of that type that is greater: v > threshold is v >= this."""
    near = threshold.astype(dtype)
    return np.where(near > threshold, near, np.nextafter(near, np.array(np.inf, dtype)))


def _finite(node: Any, wanted: tuple[int, ...]) -> dict[str, Array]:
    """A neuron's arrays, all finite and of that shape; single numbers stand for all neurons."""
    names = [name for name in node.__dataclass_fields__ if not name.endswith("_type") and name != "metadata"]
    values = {name: np.asarray(getattr(node, name)) for name in names}
    shape = values["v_threshold"].shape
    for name, value in values.items():
        if value.dtype.kind not in "fiu" or not np.isfinite(value).all():
            raise ValueError(f"{name} should be finite numbers, got: {value.dtype}")
        if value.shape != shape:
            raise ValueError(f"{name} should have the shape of v_threshold, {shape}, got: {value.shape}")
    if shape not in ((), (1,), wanted):
        raise ValueError(f"its numbers have shape {shape}, what reaches it has {wanted}")
    return {
        name: np.broadcast_to(value.reshape(() if value.size == 1 else shape), wanted).astype(np.float64)
        for name, value in values.items()
    }


def _decay(tau: Array, name: str, dt: float, low: float) -> Array:
    """1 - dt / tau, what an Euler step keeps."""
    if not (tau > 0).all():
        raise ValueError(f"{name} should be greater than zero, got: {tau.min()}")
    decay = 1 - dt / tau
    if not (decay >= low).all():
        raise ValueError(
            f"{name} of {tau.min():g} is too short for a step of {dt:g}, whose factor 1 - dt/{name} "
            f"should be at least {low:g}; give the dt that the graph was made for"
        )
    return decay


@dataclass(frozen=True, eq=False)
class Dynamics:
    """u_t = decay R_{t-1} + gain I_t, s_t = [u_t >= threshold], hard reset to v_reset.

    Attributes:
        decay, gain, threshold: arrays of one shape; threshold in the dtype of the membrane.
        synapse: lambda of I_t = lambda I_{t-1} + X_t, or None: I_t = X_t.
    """

    decay: Array
    gain: Array
    threshold: Array
    v_reset: float
    synapse: Array | None = None

    def node(self, dt: float, resistance: str, shape: tuple[int, ...]) -> tuple[Any, Array]:
        """A node of NIR, whose arrays have that shape, and the factor for the weights before it."""
        dtype = self.threshold.dtype

        def wide(value: Array) -> Array:
            each = value.size == math.prod(shape)
            value = value.reshape(shape if each else value.shape + (1,) * (len(shape) - 1))
            return np.broadcast_to(value, shape).astype(dtype)

        endless = self.decay == 1
        if endless.any() and not endless.all():
            raise ValueError("some neurons have a decay of 1, an endless time constant, and others have not")
        # the resistance with which the current counts as it is
        unit = np.full_like(self.decay, 1 / dt) if endless.all() else 1 / (1 - self.decay)
        r, factor = {
            "layer": (self.gain * unit, np.ones_like(unit)),
            "one": (np.ones_like(unit), self.gain * unit),
            "tau/dt": (unit, self.gain),
        }[resistance]
        common = {
            "r": wide(r),
            "v_threshold": wide(np.nextafter(self.threshold, np.array(-np.inf, dtype))),
            "v_reset": wide(np.full_like(self.decay, self.v_reset)),
        }
        if endless.all():
            if self.synapse is not None:
                raise ValueError("NIR has no neuron with a synapse and an endless time constant (decay of 1)")
            return nir.IF(**common), factor
        tau, rest = wide(dt * (1 / (1 - self.decay))), wide(np.zeros_like(self.decay))
        if self.synapse is None:
            return nir.LIF(tau=tau, v_leak=rest, **common), factor
        if (self.synapse == 1).any():
            raise ValueError("a synapse_decay of 1 is an endless time constant, which NIR's CubaLIF has not")
        hold = 1 / (1 - self.synapse)
        node = nir.CubaLIF(tau_mem=tau, tau_syn=wide(dt * hold), w_in=wide(hold), v_leak=rest, **common)
        return node, factor

    @classmethod
    def of(cls, node: Any, dt: float, dtype: Any, shape: tuple[int, ...]) -> Dynamics:
        """The numbers of an ``nir.LIF``, ``nir.CubaLIF`` or ``nir.IF``, voltages counted from v_leak.

        Raises:
            ValueError: values that no layer can have.
        """
        values = _finite(node, shape)
        rest = values.get("v_leak", np.zeros_like(values["r"]))
        threshold, synapse = values["v_threshold"] - rest, None
        if not (threshold > 0).all():
            raise ValueError(
                "v_threshold should be above v_leak, else the neuron fires at rest, "
                f"got: {threshold.min():g} above"
            )
        resets = np.unique((values["v_reset"] - rest).astype(dtype))
        if len(resets) != 1:
            raise ValueError(
                "v_reset - v_leak should be one number, a layer has one v_reset for all neurons, "
                f"got: {resets[0]:g} to {resets[-1]:g}"
            )
        if isinstance(node, nir.IF):
            decay, gain = np.ones_like(values["r"]), dt * values["r"]
        else:
            cuba = isinstance(node, nir.CubaLIF)
            name = "tau_mem" if cuba else "tau"
            decay = _decay(values[name], name, dt, -1)
            gain = dt / values[name] * values["r"]
            if cuba:
                synapse = _decay(values["tau_syn"], "tau_syn", dt, 0)
                # the membrane is linear in the current: one factor does for both
                gain = gain * (dt / values["tau_syn"] * values["w_in"])
        return cls(decay, gain, _above(threshold, dtype), float(resets[0]), synapse)
