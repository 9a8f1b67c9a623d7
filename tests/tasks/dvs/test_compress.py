"""Compression: counts, voxels and synaptic charges against loops over the events."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liafseq.tasks.dvs.compression import METHODS, Compression
from liafseq.tasks.dvs.compression.maps import compress
from liafseq.tasks.dvs.events import EVENT, Sensor, make_events

SENSOR = Sensor(7, 5)


def some_events(count=200, seed=0, start=1000, last=90_000, sensor=SENSOR):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(start, last, count))
    return make_events(
        rng.integers(0, sensor.width, count),
        rng.integers(0, sensor.height, count),
        t,
        rng.integers(0, 2, count).astype(bool),
    )


def by_hand(events, sensor, c):
    """The weights of the module's docstring, event by event."""
    t = [int(e["t"]) - int(events["t"][0]) for e in events]
    duration = t[-1] + 1
    steps = c.steps or math.ceil(duration / c.step_us)
    length = duration / steps if c.steps else c.step_us
    maps = np.zeros((steps, 2, *c.shape(sensor)))
    for n, event in enumerate(events):
        place = (int(event["p"]), int(event["y"]) // c.pool, int(event["x"]) // c.pool)
        for k in range(steps):
            own = min(int(t[n] / length), steps - 1)
            if c.method == "time":
                weight = float(k == own)
            elif c.method == "count":
                weight = float(k == n * steps // len(events))
            elif c.method == "voxel":
                at = (steps - 1) * t[n] / (duration - 1) if c.steps else t[n] / length
                weight = max(0.0, 1 - abs(k - at))
            elif k < own:
                weight = 0.0
            elif k == own:
                weight = 1 - math.exp(-((k + 1) * length - t[n]) / c.tau_us)
            else:
                weight = math.exp(-(k * length - t[n]) / c.tau_us) * (1 - math.exp(-length / c.tau_us))
            maps[(k, *place)] += weight
    return maps


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pool", [1, 2, 3])
@pytest.mark.parametrize("steps", [1, 4, 9])
def test_maps_are_those_of_the_definition(method, pool, steps):
    events, c = some_events(), Compression(method=method, steps=steps, pool=pool, tau_us=15_000.0)
    np.testing.assert_allclose(compress(events, SENSOR, c), by_hand(events, SENSOR, c), atol=2e-5)


@pytest.mark.parametrize("method", ["time", "voxel", "synapse"])
def test_steps_of_a_fixed_duration_grow_with_the_recording(method):
    events, c = some_events(), Compression(method=method, steps=0, step_us=20_000, tau_us=15_000.0)
    found = compress(events, SENSOR, c)
    assert len(found) == math.ceil((int(events["t"][-1]) - int(events["t"][0]) + 1) / 20_000) == 5
    np.testing.assert_allclose(found, by_hand(events, SENSOR, c), atol=2e-5)


def test_count_frames_are_the_limit_of_the_synapse():
    events = some_events()
    fast = compress(events, SENSOR, Compression(method="synapse", tau_us=1e-3))
    np.testing.assert_allclose(fast, compress(events, SENSOR, Compression(method="time")), atol=1e-6)


def test_charge_is_not_made_and_what_is_missing_has_not_yet_arrived():
    events, tau = some_events(), 15_000.0
    found = compress(events, SENSOR, Compression(method="synapse", steps=6, tau_us=tau))
    time = events["t"] - events["t"][0]
    assert found.sum() == pytest.approx((1 - np.exp(-(time[-1] + 1 - time) / tau)).sum(), rel=1e-5)
    assert found.min() >= -1e-6


@pytest.mark.parametrize("method", METHODS)
def test_no_events_give_empty_maps(method):
    found = compress(np.empty(0, EVENT), SENSOR, Compression(method=method, steps=3))
    assert found.shape == (3, 2, 5, 7)
    assert not found.any()
    if method != "count":
        assert (
            compress(np.empty(0, EVENT), SENSOR, Compression(method=method, steps=0, step_us=10)).shape[0]
            == 1
        )


def test_a_recording_that_is_too_long_is_cut_off():
    events = make_events([0, 1], [0, 0], [0, 10**9], [True, True])
    found = compress(events, SENSOR, Compression(method="time", steps=0, step_us=1000, longest=4))
    assert found.shape[0] == 4
    assert found.sum() == 1


def test_too_many_values_are_refused_before_they_are_allocated():
    events = make_events([0], [0], [0], [True])
    with pytest.raises(ValueError, match="more than 268435456 values"):
        compress(events, Sensor(30_000, 30_000), Compression(method="time", steps=4))


@pytest.mark.parametrize(
    ("events", "text"),
    [
        (make_events([7], [0], [0], [True]), "event 0: x is 7, outside the sensor of 7 x 5"),
        (make_events([0, 1], [0, -1], [0, 1], [True, False]), "event 1: y is -1"),
    ],
)
def test_events_outside_the_sensor_are_refused(events, text):
    with pytest.raises(ValueError, match=text):
        compress(events, SENSOR, Compression(method="time"))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"method": "mean"}, "method must be one of time, count, voxel, synapse, got 'mean'"),
        ({"steps": 0}, "one of steps and step_us must be above 0"),
        ({"steps": 3, "step_us": 5}, "one of steps and step_us must be above 0"),
        ({"method": "count", "steps": 0, "step_us": 5}, "step_us must be 0 for 'count'"),
        ({"tau_us": 0.0}, "tau_us must be above 0, got 0"),
        ({"pool": 0}, "pool must be at least 1"),
        ({"steps": 1000}, "steps must be at most longest, 512, got 1000"),
    ],
)
def test_bad_settings_are_refused_by_name(fields, text):
    with pytest.raises(ValueError, match=text):
        Compression(**fields)


def test_settings_name_a_cache():
    assert Compression(steps=4).key() == Compression(steps=4).key()
    keys = {
        Compression(method=m, steps=s, tau_us=t).key() for m in METHODS for s in (2, 4) for t in (1e3, 2e3)
    }
    assert len(keys) == 16


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 300), st.integers(0, 99), st.sampled_from(METHODS), st.integers(1, 12), st.integers(1, 8)
)
def test_every_event_counts_at_most_once(count, seed, method, steps, pool):
    events = some_events(count, seed)
    found = compress(events, SENSOR, Compression(method=method, steps=steps, pool=pool))
    assert np.isfinite(found).all()
    assert found.min() >= -1e-4
    assert found.sum() <= count * (1 + 1e-5)
    if method != "synapse":
        assert found.sum() == pytest.approx(count, rel=1e-4)
