"""The simulated camera: analytic cases, an oracle in plain Python, and anything at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liafseq.tasks.dvs.camera import Camera, simulate, simulate_levels
from liafseq.tasks.dvs.camera import simulator as module
from liafseq.tasks.dvs.events import EVENT, Sensor, check_events

IDEAL = {"mismatch": 0.0, "refractory_us": 0, "noise_hz": 0.0, "log_offset": 0.0, "random_start": False}


def ramp(slope_per_us, times):
    """One pixel whose log intensity grows in a straight line."""
    return (slope_per_us * np.asarray(times, float))[:, None, None]


# ---------------------------------------------------------------- analytic cases


@pytest.mark.parametrize("sign", [1, -1], ids=["rise", "fall"])
@pytest.mark.parametrize("refractory", [0, 1, 700, 12_345])
@pytest.mark.parametrize("frames", [2, 3, 101])
def test_a_ramp_fires_at_the_analytic_microsecond(sign, refractory, frames):
    times = np.linspace(0, 2_000_000, frames).astype(int)
    slope, threshold = sign * 3.7e-6, 0.21
    camera = Camera(threshold, threshold, **{**IDEAL, "refractory_us": refractory})
    events = simulate_levels(ramp(slope, times), times, camera)
    period = threshold / abs(slope) + refractory
    expected = np.arange(1, 200) * period - refractory
    expected = np.floor(expected[expected <= 2_000_000] + 0.5)
    assert events["t"].tolist() == expected.tolist()
    assert set(events["p"].tolist()) == {sign > 0}


def test_a_ramp_of_intensity_is_exact_too():
    # L = ln(I): straight in the logarithm, through the public function that takes intensities
    times = np.arange(0, 1_000_001, 1000)
    video = np.exp(1.5e-6 * times)[:, None, None]
    events = simulate(video, 1000, Camera(0.11, 0.11, **IDEAL))
    assert events["t"].tolist() == [math.floor(k * 0.11 / 1.5e-6 + 0.5) for k in range(1, 14)]


def test_a_step_makes_as_many_events_as_thresholds_fit_into_it():
    video = np.array([1.0, 1.0, 4.0, 4.0, 1.0])[:, None, None]
    events = simulate(video, [0, 100, 101, 300, 301], Camera(0.4, 0.6, **IDEAL))
    up, down = events[events["p"]], events[~events["p"]]
    assert len(up) == int(math.log(4) / 0.4)
    assert (up["t"] >= 100).all()
    assert (up["t"] <= 101).all()
    # back down from the level of the last event, 3 * 0.4
    assert len(down) == int(3 * 0.4 / 0.6)
    assert (down["t"] >= 300).all()


def test_events_of_both_polarities_have_their_own_thresholds():
    levels = np.array([0.0, 1.0, 0.0])[:, None, None]
    events = simulate_levels(levels, 1000, Camera(0.25, 0.5, **IDEAL))
    assert events[["t", "p"]].tolist() == [
        (250, True), (500, True), (750, True), (1000, True), (1500, False), (2000, False),
    ]  # fmt: skip


def test_nothing_moves_nothing_fires():
    assert len(simulate(np.full((5, 3, 4), 7.0), 1000, Camera(noise_hz=0))) == 0


def test_the_memory_lasts_over_frames():
    levels = np.array([0.0, 0.15, 0.0, 0.15, 0.3])[:, None, None]
    events = simulate_levels(levels, 1000, Camera(0.2, 0.2, **IDEAL))
    # 0.2 is first reached in the last interval; a memory that forgot at a frame would never fire
    assert events["t"].tolist() == [3333]


def test_after_the_refractory_period_the_memory_is_the_present_level():
    # fires at 100 us at level 0.1; dead until 600 us, level 0.6; then 0.1 more
    levels = np.array([0.0, 1.0])[:, None, None]
    camera = Camera(0.1, 0.1, **{**IDEAL, "refractory_us": 500})
    assert simulate_levels(levels, 1000, camera)["t"].tolist() == [100, 700]


def test_a_refractory_period_may_end_at_a_frame():
    levels = np.array([0.0, 0.5, 1.0])[:, None, None]
    camera = Camera(0.1, 0.1, **{**IDEAL, "refractory_us": 400})
    assert simulate_levels(levels, 500, camera)["t"].tolist() == [100, 600]


def test_x_is_the_column_and_y_the_row():
    video = np.ones((2, 3, 5))
    video[1, 2, 4] = 10
    events = simulate(video, 10, Camera(1, 1, **IDEAL))
    assert events[["x", "y", "p"]].tolist() == [(4, 2, True), (4, 2, True)]
    assert events.dtype == EVENT


def test_mismatch_spreads_the_thresholds_as_asked():
    # the first event of a slow ramp shows each pixel's threshold
    times = np.array([0, 1_000_000])
    levels = np.broadcast_to(ramp(1e-6, times), (2, 100, 100))
    events = simulate_levels(levels, times, Camera(0.5, 0.5, **{**IDEAL, "mismatch": 0.1}), seed=3)
    _, first = np.unique(events["y"].astype(int) * 100 + events["x"], return_index=True)
    thresholds = events["t"][first] * 1e-6
    assert thresholds.mean() == pytest.approx(0.5, abs=0.005)
    assert thresholds.std() == pytest.approx(0.05, abs=0.003)


def test_a_random_start_is_evenly_distributed_between_the_thresholds():
    times = np.array([0, 1_000_000])
    levels = np.broadcast_to(ramp(0.3e-6, times), (2, 100, 100))
    camera = Camera(0.5, 0.25, **{**IDEAL, "random_start": True})
    # 0.3 is two fifths of the way from one threshold to the other
    assert len(simulate_levels(levels, times, camera, seed=1)) == pytest.approx(4000, abs=200)


def test_noise_has_its_rate_and_both_polarities():
    events = simulate(np.ones((2, 50, 50)), 4_000_000, Camera(noise_hz=5), seed=2)
    assert len(events) == pytest.approx(50_000, abs=4 * 224)
    assert events["p"].mean() == pytest.approx(0.5, abs=0.01)
    assert np.bincount(events["t"] // 1_000_000, minlength=4)[:4].std() < 300
    check_events(events, Sensor(50, 50), "noise")


def test_a_noise_event_sets_the_memory():
    # the level rests just below the threshold: without noise nothing; after an ON noise event the
    # pixel sits at the present level, and a further rise of one threshold is needed
    levels = np.concatenate([np.full(2, 0.0), np.full(2, 0.19), np.full(2, 0.38)])
    levels = np.broadcast_to(levels[:, None, None], (6, 40, 40))
    camera = Camera(0.2, 0.2, **{**IDEAL, "noise_hz": 40.0})
    events = simulate_levels(levels, [0, 1, 2, 1_000_000, 1_000_001, 1_000_002], camera, seed=4)
    late = events[events["t"] >= 1_000_000]
    before = np.zeros((40, 40), bool)
    noisy = events[events["t"] < 1_000_000]
    before[noisy["y"], noisy["x"]] = True
    assert before.all()
    assert len(late) < 5


# ---------------------------------------------------------------- against plain Python


def oracle(levels, times, camera, drawn):
    """The model, one pixel after the other, on exact pieces of straight line, in unrounded times."""
    count, height, width = levels.shape
    found = []
    for pixel in range(height * width):
        curve = levels[:, pixel // width, pixel % width]

        def level(t, curve=curve):
            return float(np.interp(t, times, curve))

        memory, now = curve[0] - drawn.start[pixel], 0.0
        on, off = drawn.on[pixel], drawn.off[pixel]
        mine = drawn.noise[1] == pixel
        noise = sorted(zip(drawn.noise[2][mine].tolist(), drawn.noise[3][mine].tolist(), strict=True))
        while True:
            best = None
            for i in range(count - 1):
                t0, t1, a, b = times[i], times[i + 1], curve[i], curve[i + 1]
                if t1 <= now:
                    continue
                if b > a and memory + on <= b:
                    best = (max(now, t0 + (memory + on - a) * (t1 - t0) / (b - a)), True, memory + on)
                elif b < a and memory - off >= b:
                    best = (max(now, t0 + (memory - off - a) * (t1 - t0) / (b - a)), False, memory - off)
                if best:
                    break
            noise = [event for event in noise if event[0] >= now]
            if noise and (best is None or noise[0][0] < best[0]):
                then, polarity = noise.pop(0)
                best = (then, polarity, level(then))
            if best is None:
                break
            found.append((best[0], pixel // width, pixel % width, best[1]))
            now, memory = best[0], best[2]
            if camera.refractory_us:
                now += camera.refractory_us
                if now >= times[-1]:
                    break
                memory = level(now)
    # as events are: by the microsecond, then the pixel, OFF before ON
    return sorted(found, key=lambda event: (math.floor(event[0] + 0.5), *event[1:]))


CAMERAS = st.builds(
    Camera,
    on_threshold=st.floats(0.05, 1),
    off_threshold=st.floats(0.05, 1),
    mismatch=st.sampled_from([0.0, 0.1, 0.5]),
    refractory_us=st.sampled_from([0, 1, 37, 500, 5000]),
    noise_hz=st.sampled_from([0.0, 20.0, 500.0]),
    log_offset=st.floats(0.01, 1),
    random_start=st.booleans(),
)


@st.composite
def videos(draw, low=0.0, high=4.0):
    count, height, width = draw(st.integers(2, 7)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    size = count * height * width
    values = draw(
        st.lists(
            st.sampled_from([low, high]) | st.floats(low, high, allow_subnormal=False),
            min_size=size,
            max_size=size,
        )
    )
    gaps = draw(st.lists(st.integers(1, 20_000), min_size=count - 1, max_size=count - 1))
    start = draw(st.sampled_from([0, -5, 10**15]))
    return np.array(values).reshape(count, height, width), start + np.concatenate([[0], np.cumsum(gaps)])


# 120 thresholds in 605 microseconds: some are crossed halfway between two of them
RISE = np.where(np.arange(12).reshape(3, 2, 2) == 7, 3.0, -3.0)
STEEP = Camera(0.05, 1.0, mismatch=0.0, refractory_us=1, noise_hz=0.0, log_offset=1.0, random_start=False)


@settings(max_examples=150, deadline=None)
@given(videos(-3.0, 3.0), CAMERAS, st.integers(0, 2**31))
@example((RISE, np.array([0, 605, 606])), STEEP, 0)
def test_the_compiled_loop_agrees_with_plain_python(video, camera, seed):
    levels, times = video
    after = times - times[0]
    pixels = levels[0].size
    drawn = module._draw(camera, pixels, after, np.random.default_rng(seed), 10**6)
    events = simulate_levels(levels, times, camera, seed)
    expected = oracle(levels, after, camera, drawn)
    found = [(int(t - times[0]), int(y), int(x), bool(p)) for x, y, t, p in events.tolist()]
    # a crossing within a rounding error of a frame's level may fall on either side
    assert abs(len(found) - len(expected)) <= 1
    apart = 0
    for pixel in {event[1:3] for event in found + expected}:
        own, exact = ([event for event in events if event[1:3] == pixel] for events in (found, expected))
        apart += abs(len(own) - len(exact))
        # to the nearest microsecond, of two that are as near to either
        apart += sum(a[3] != b[3] or abs(a[0] - b[0]) > 0.5 + 1e-6 for a, b in zip(own, exact, strict=False))
    assert apart <= max(1, len(expected) // 50)


@settings(max_examples=200, deadline=None)
@given(videos(), CAMERAS, st.integers(0, 2**31))
def test_whatever_the_video_events_are_in_order_on_the_sensor_and_obey_the_dead_time(video, camera, seed):
    frames, times = video
    events = simulate(frames, times, camera, seed)
    check_events(events, Sensor(frames.shape[2], frames.shape[1]), "fuzz")
    assert ((events["t"] >= times[0]) & (events["t"] <= times[-1])).all()
    order = np.lexsort((events["p"], events["x"], events["y"], events["t"]))
    assert (order == np.arange(len(events))).all()
    for pixel in np.unique(events[["x", "y"]]):
        own = events[(events["x"] == pixel["x"]) & (events["y"] == pixel["y"])]
        assert (np.diff(own["t"]) >= camera.refractory_us).all()
    assert (simulate(frames, times, camera, seed) == events).all()


@settings(max_examples=200, deadline=None)
@given(videos(-3.0, 3.0), CAMERAS, st.integers(0, 2**31))
def test_inverted_contrast_inverts_the_polarity_and_nothing_else(video, camera, seed):
    levels, times = video
    after = times - times[0]
    height, width = levels.shape[1:]
    drawn = module._draw(camera, height * width, after, np.random.default_rng(seed), 10**6)
    plain, inverse = (
        module._unpack(module._fire(frames, after, camera, pixels, 10**6, log=False), height, width, 0)
        for frames, pixels in ((levels, drawn), (-levels, drawn.swapped()))
    )
    inverse["p"] = ~inverse["p"]
    inverse = inverse[np.lexsort((inverse["p"], inverse["x"], inverse["y"], inverse["t"]))]
    assert plain.tolist() == inverse.tolist()


def test_inverted_intensities_do_so_too():
    rng = np.random.default_rng(0)
    video = 2.0 ** rng.integers(-4, 5, (20, 6, 6))
    camera = Camera(0.3, 0.3, **IDEAL)
    plain, inverse = simulate(video, 1000, camera), simulate(1 / video, 1000, camera)
    assert len(plain) > 1000
    assert plain[["x", "y", "t"]].tolist() == inverse[["x", "y", "t"]].tolist()
    assert (plain["p"] == ~inverse["p"]).all()


def test_chance_treats_both_polarities_alike():
    # what the distribution of the gestures rests on: thresholds, start and noise
    camera = Camera(0.3, 0.3, mismatch=0.3, noise_hz=10)
    drawn = module._draw(camera, 40_000, np.array([0, 10**6]), np.random.default_rng(0), 10**8)
    swapped = drawn.swapped()
    for one, other in ((drawn.on, swapped.on), (drawn.start, swapped.start)):
        assert np.quantile(one, [0.1, 0.5, 0.9]) == pytest.approx(
            np.quantile(other, [0.1, 0.5, 0.9]), abs=0.006
        )
    assert abs(np.corrcoef(drawn.on, drawn.off)[0, 1]) < 0.02
    assert drawn.noise[3].mean() == pytest.approx(0.5, abs=0.004)


@pytest.mark.parametrize("chunk", [1, 7, 30, 1 << 20])
def test_pieces_of_the_video_make_the_events_of_the_whole(monkeypatch, chunk):
    rng = np.random.default_rng(5)
    video, camera = rng.random((40, 3, 2)), Camera(0.2, 0.3, refractory_us=2500, noise_hz=50)
    whole = simulate(video, 1000, camera, seed=1)
    monkeypatch.setattr(module, "_CHUNK", chunk)
    assert len(whole) > 50
    assert simulate(video, 1000, camera, seed=1).tolist() == whole.tolist()


@pytest.mark.parametrize("dtype", ["uint8", "bool", "float32", "float16", ">f8", "int64"])
def test_any_real_dtype(dtype):
    video = np.zeros((3, 2, 2), dtype)
    video[1] = 1
    assert (
        simulate(video, 1000, Camera(noise_hz=0), seed=1).tolist()
        == simulate(video.astype(float), 1000, Camera(noise_hz=0), seed=1).tolist()
    )


def test_seeds():
    video = np.random.default_rng(0).random((10, 8, 8))
    a, b, c = (simulate(video, 1000, seed=seed).tolist() for seed in (1, 1, 2))
    assert a == b != c
    assert simulate(video, 1000, seed=np.random.default_rng(1)).tolist() == a


# ---------------------------------------------------------------- bad input

GOOD = np.ones((3, 2, 2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: simulate(np.ones((3, 4)), 10), ValueError, r"shape \(frames, height, width\), got \(3, 4\)"),
        (lambda: simulate(np.ones((1, 4, 4)), 10), ValueError, "at least 2 frames"),
        (lambda: simulate(np.ones((2, 0, 4)), 10), ValueError, "1 to 32767"),
        (lambda: simulate(np.broadcast_to(1.0, (2, 1, 40_000)), 10), ValueError, "1 to 32767"),
        (lambda: simulate([[["a"]]], 10), TypeError, "real numbers"),
        (lambda: simulate(np.ones((2, 1, 1), complex), 10), TypeError, "real numbers"),
        (lambda: simulate(np.array([[[1.0]], [[-0.5]]]), 10), ValueError, "-0.5 in frame 1, row 0, col"),
        (lambda: simulate(np.array([[[1.0, np.nan]]] * 2), 10), ValueError, "nan in frame 0, row 0, column"),
        (lambda: simulate(np.array([[[1.0]], [[np.inf]]]), 10), ValueError, "inf in frame 1"),
        (lambda: simulate(np.zeros((2, 1, 1)), 10, Camera(log_offset=0)), ValueError, "log_offset must be"),
        (lambda: simulate_levels(np.array([[[0.0]], [[np.nan]]]), 10), ValueError, "nan in frame 1"),
        (lambda: simulate_levels(np.array([[[0.0]], [[1e9]]]), 10), ValueError, "within 1000000"),
        (lambda: simulate(GOOD, 0), ValueError, "times_us: the time between frames"),
        (lambda: simulate(GOOD, math.nan), ValueError, "times_us"),
        (lambda: simulate(GOOD, 1e300), ValueError, "times_us"),
        (lambda: simulate(GOOD, "fast"), TypeError, "times_us"),
        (lambda: simulate(GOOD, [0, 1]), ValueError, r"shape \(3,\), got \(2,\)"),
        (lambda: simulate(GOOD, [0, 5, 5]), ValueError, "frame 2 is at 5, the one before it at 5"),
        (lambda: simulate(GOOD, [0, 0.5, 1]), ValueError, "whole microseconds, got 0.5 for frame 1"),
        (lambda: simulate(GOOD, [0, 1, np.inf]), ValueError, "finite"),
        (lambda: simulate(GOOD, [0, 1, 2**62]), ValueError, "within"),
        (lambda: simulate(GOOD, [0, 1, 2**61]), ValueError, "may not last"),
        (lambda: simulate(GOOD, 10, "dvs"), TypeError, "camera must be a Camera"),
        (lambda: simulate(GOOD, 10, seed=-1), ValueError, "seed must be at least 0"),
        (lambda: simulate(GOOD, 10, seed=1.5), TypeError, "seed"),
        (lambda: simulate(GOOD, 10**12, Camera(noise_hz=1000)), ValueError, "noise alone"),
        (lambda: simulate(np.array([[[0.0]], [[1e9]]]), 10, Camera(0.001, refractory_us=0), max_events=100),
         ValueError, "more than max_events, 100,"),
        (lambda: simulate(GOOD, 10, max_events=1.5), TypeError, "max_events must be a whole number"),
        (lambda: simulate(GOOD, 10, max_events=-1), ValueError, "max_events must be at least 0"),
        (lambda: Camera(on_threshold=0), ValueError, "on_threshold"),
        (lambda: Camera(off_threshold=math.nan), ValueError, "off_threshold"),
        (lambda: Camera(mismatch=2), ValueError, "mismatch must be a finite number from 0 to 1"),
        (lambda: Camera(mismatch="big"), TypeError, "mismatch must be a number"),
        (lambda: Camera(noise_hz=True), TypeError, "noise_hz"),
        (lambda: Camera(refractory_us=1.5), TypeError, "refractory_us must be a whole number"),
        (lambda: Camera(refractory_us=-1), ValueError, "refractory_us"),
        (lambda: Camera(log_offset=math.inf), ValueError, "log_offset"),
        (lambda: Camera(random_start=1), TypeError, "random_start"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_camera_holds_plain_numbers():
    camera = Camera(on_threshold=np.float32(0.5), refractory_us=np.int32(7), noise_hz=1)
    assert (type(camera.on_threshold), type(camera.refractory_us), type(camera.noise_hz)) == (
        float,
        int,
        float,
    )
    assert camera == Camera(on_threshold=0.5, refractory_us=7, noise_hz=1.0)
