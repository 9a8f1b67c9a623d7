"""Recordings as pictures and as numbers."""

from __future__ import annotations

import io

import numpy as np
import pytest

from liafseq.tasks.dvs.events import EVENT, Sensor, make_events
from liafseq.tasks.dvs.pictures import OFF, ON, describe, recording_picture, recordings_picture

SENSOR = Sensor(20, 10)


def burst(count, *, on, at, x=slice(0, 20)):
    rng = np.random.default_rng(0)
    columns = np.arange(20)[x]
    return make_events(
        rng.choice(columns, count),
        rng.integers(0, 10, count),
        np.sort(rng.integers(*at, count)),
        np.full(count, on),
    )


def pixels(png):
    from matplotlib.image import imread

    image = imread(io.BytesIO(png), format="png")
    # without the titles
    return image[28:, :, :3]


def share(image, colour):
    return float((np.abs(image - np.array(colour)).max(-1) < 0.02).mean())


def test_on_is_blue_and_off_is_orange():
    for on, mine, other in ((True, ON, OFF), (False, OFF, ON)):
        image = pixels(recording_picture(burst(4000, on=on, at=(0, 1000)), SENSOR, "one", rate=False))
        assert share(image, mine) > 0.03
        assert share(image, other) == 0
    assert ON[2] > ON[0]
    assert OFF[0] > OFF[2]


def test_frames_follow_time_from_left_to_right():
    events = np.concatenate([burst(4000, on=True, at=(0, 5000)), burst(4000, on=False, at=(5000, 10_000))])
    image = pixels(recording_picture(events, SENSOR, "two", steps=2, rate=False))
    middle = 44 + (image.shape[1] - 50) // 2  # right of the margin
    assert share(image[:, :middle], ON) > 0.03
    assert share(image[:, :middle], OFF) == 0
    assert share(image[:, middle:], OFF) > 0.03
    assert share(image[:, middle:], ON) == 0


def test_x_runs_to_the_right_and_y_downwards():
    events = make_events([0] * 50, [9] * 50, range(50), [True] * 50)
    image = pixels(recording_picture(events, SENSOR, "", steps=1, rate=False))
    rows, columns = np.nonzero(np.abs(image - np.array(ON)).max(-1) < 0.02)
    assert columns.mean() < image.shape[1] / 3
    assert rows.mean() > image.shape[0] / 2


@pytest.mark.parametrize("steps", [1, 5, 17])
@pytest.mark.parametrize("rate", [False, True])
@pytest.mark.parametrize(
    "events",
    [
        burst(300, on=True, at=(0, 99_000)),
        np.zeros(0, EVENT),
        burst(1, on=False, at=(5, 6)),
        burst(9, on=True, at=(3, 4)),
    ],
    ids=["many", "none", "one", "one moment"],
)
def test_any_recording_makes_a_picture(steps, rate, events):
    png = recording_picture(events, SENSOR, "$a^ <title> %d", steps=steps, rate=rate)
    assert png.startswith(b"\x89PNG")
    assert pixels(png).size > 0


def test_the_same_recording_makes_the_same_bytes_and_sixty_four_steps_fit():
    events = burst(300, on=True, at=(0, 99_000))
    one, other = (recording_picture(events, SENSOR, "", steps=64) for _ in range(2))
    assert one == other
    assert pixels(one).shape[1] < 2500


@pytest.mark.parametrize(
    "sensor", [Sensor(1280, 720), Sensor(32_767, 32_767), Sensor(1, 300), Sensor(300, 1)]
)
def test_any_sensor_makes_a_picture_of_some_size(sensor):
    events = make_events(
        [0] * 50 + [sensor.width - 1] * 50, [sensor.height - 1] * 100, range(100), [True] * 100
    )
    image = pixels(recording_picture(events, sensor, "", steps=3, rate=False))
    assert max(image.shape) < 1200
    # the frame of one that is a single pixel wide covers it
    assert share(image, ON) > 0 or min(sensor) == 1


def test_several_recordings_of_several_cameras():
    small = burst(50, on=True, at=(0, 9), x=slice(0, 5))
    recordings = [(burst(300, on=True, at=(0, 99_000)), "a"), (small, "b")]
    one = recordings_picture(recordings, SENSOR)
    two = recordings_picture(recordings, [SENSOR, Sensor(5, 10)])
    assert pixels(two).shape[0] > pixels(one).shape[0]


def test_times_far_from_zero():
    events = burst(300, on=True, at=(0, 99_000))
    later = events.copy()
    later["t"] += 10**15
    assert recording_picture(later, SENSOR, "x") == recording_picture(events, SENSOR, "x")


def test_numbers():
    events = make_events([0, 0, 3, 0], [1, 1, 1, 1], [5000, 6000, 8000, 9000], [True, True, False, True])
    assert describe(events, Sensor(4, 2)) == {
        "events": 4,
        "duration_ms": 4.0,
        "events_per_ms": 1.0,
        "on_share": 0.75,
        "active_pixels": 2,
        "active_share": 0.25,
        "events_per_active_pixel": 2.0,
        "most_events_of_a_pixel": 3,
    }


def test_numbers_of_an_empty_recording():
    assert set(describe(np.zeros(0, EVENT), SENSOR).values()) == {0}
    assert describe(burst(1, on=True, at=(7, 8)), SENSOR)["events_per_ms"] == 0


GOOD = burst(9, on=True, at=(0, 9))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: recording_picture(GOOD, SENSOR, "x", steps=0), ValueError, "from 1 to 64, got 0"),
        (lambda: recording_picture(GOOD, SENSOR, "x", steps=65), ValueError, "steps"),
        (lambda: recording_picture(GOOD, SENSOR, "x", steps=2.0), TypeError, "steps must be a whole number"),
        (lambda: recording_picture(GOOD, Sensor(4, 4), "mine"), ValueError, "mine: event .* outside"),
        (lambda: recording_picture(GOOD[::-1].copy(), SENSOR, "mine"), ValueError, "mine: event 1: time"),
        (lambda: recording_picture(np.zeros(3), SENSOR, "mine"), TypeError, "mine: events must be"),
        (lambda: recording_picture([1], SENSOR, "mine"), TypeError, "mine: events must be"),
        (lambda: recording_picture(np.zeros(0, EVENT), Sensor(0, 4), "x"), ValueError, "pixels, got 0 x 4"),
        (lambda: recordings_picture([], SENSOR), ValueError, "must not be empty"),
        (lambda: recordings_picture([(GOOD, "x")], [SENSOR] * 2), ValueError, "2 sensors for 1 recordings"),
        (lambda: describe(GOOD, Sensor(4, 4)), ValueError, "events: event .* outside the sensor"),
        (lambda: describe(None, SENSOR), TypeError, "dtype EVENT"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
