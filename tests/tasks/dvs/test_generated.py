"""The generated recordings: what they are, their cache, and what a model that ignores time can reach."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict, fields

import numpy as np
import pytest

from liafseq.tasks.dvs.camera import Camera
from liafseq.tasks.dvs.events import EVENT, Sensor, check_events, make_events
from liafseq.tasks.dvs.generated import (
    GENERATED,
    PAIRS,
    TIME_BLIND_CEILING,
    DigitOptions,
    GestureOptions,
    digits,
    gestures,
    open_generated,
    recordings,
    store,
)
from liafseq.tasks.dvs.generated.bodies import MOTIONS, limbs
from liafseq.tasks.storage.cache import cache_folder

SETS = [(name, split) for name in ("digits", "gestures") for split in ("train", "test")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


# ---------------------------------------------------------------- all sets


@pytest.mark.parametrize(("name", "split"), SETS)
def test_recordings_are_what_the_protocol_says(name, split, folder):
    found = open_generated(name, split, count=22, cache_dir=folder)
    assert (found.name, found.split, len(found)) == (name, split, 22)
    assert found.labels.dtype == np.int64
    assert found.labels.shape == (22,)
    assert set(found.labels.tolist()) <= set(range(len(found.classes)))
    size = {"digits": 34, "gestures": 48}[name]
    assert found.sensor == Sensor(size, size)
    longest = {"digits": 300_000, "gestures": 1_500_000}[name]
    for index in range(22):
        events = found[index]
        assert events.dtype == EVENT
        check_events(events, found.sensor, found.title(index))
        assert 500 < len(events) < 12_000
        assert 0 <= events["t"][0] <= events["t"][-1] <= longest
    assert found.title(-1) == found.title(21) == f"{name}/{split}#21"
    assert "22 recordings" in repr(found)


@pytest.mark.parametrize("name", list(GENERATED))
def test_default_sizes_and_balance(name):
    kind = GENERATED[name]
    for split, count in kind.counts.items():
        labels = np.array([kind.label(split, index) for index in range(count)])
        often = np.bincount(labels)
        assert len(often) == len(kind.classes)
        assert often.max() - often.min() <= (0 if name == "gestures" else 7)
        # so do the first ones, whatever their number
        assert np.ptp(np.bincount(labels[:55], minlength=len(kind.classes))) <= 1


@pytest.mark.parametrize("name", list(GENERATED))
def test_count_does_not_change_the_earlier_ones(name, folder):
    few, more = (open_generated(name, "train", count=count, cache_dir=folder) for count in (3, 6))
    assert few.path != more.path
    assert few.labels.tolist() == more.labels[:3].tolist()
    for index in range(3):
        assert few[index].tolist() == more[index].tolist()


@pytest.mark.parametrize("name", list(GENERATED))
def test_seed_split_and_number_each_change_a_recording(name, folder):
    def first(split="test", at=0, **options):
        return open_generated(name, split, count=12, cache_dir=folder, **options)[at].tolist()

    again = first()
    assert again == first()
    others = [first(seed=1), first(split="train"), first(at=11), first(camera=Camera(0.4, 0.4))]
    assert again not in others
    assert all(a != b for i, a in enumerate(others) for b in others[:i])


def test_a_recording_is_a_copy(folder):
    found = open_generated("digits", "test", count=2, cache_dir=folder)
    found[0]["x"][:] = 0
    assert found[0]["x"].max() > 0


# Event counts of version 1, to a hundredth. Where they change, raise the version in recordings.py:
# or else caches of the old recordings would be read for ever.
_EVENTS = {
    "digits": (1, [3809, 4844, 3702, 4597, 4168, 4529]),
    "gestures": (1, [2328, 3297, 1631, 2522, 2041, 3116]),
}


@pytest.mark.parametrize("name", list(GENERATED))
def test_what_a_version_generates_does_not_change(name, folder):
    found = open_generated(name, "train", count=6, cache_dir=folder)
    version, counts = _EVENTS[name]
    assert GENERATED[name].version == version
    assert [len(found[i]) for i in range(6)] == pytest.approx(counts, rel=0.01)


# ---------------------------------------------------------------- digits


def test_no_scan_is_in_both_splits():
    train, test = (
        {digits.digit_scan(split, i) for i in range(n)} for split, n in (("train", 1438), ("test", 359))
    )
    assert len(train) == 1438
    assert len(test) == 359
    assert train | test == set(range(1797))


def test_the_number_of_scans_is_the_number_of_labels():
    for split in ("train", "test"):
        assert (
            len(digits.digit_labels(split))
            == GENERATED["digits"].counts[split]
            == GENERATED["digits"].most[split]
        )


def test_a_frame_shows_the_scan():
    options = DigitOptions(jitter=0)
    for index in range(20):
        video, _ = digits.digit_video(options, "test", index, np.random.default_rng(0))
        scan = digits._scans()[0][digits.digit_scan("test", index)]
        frame = video.mean(0)  # over the path, whose middle is the sensor's
        edges = np.linspace(6, 28, 9).round().astype(int)
        small = np.add.reduceat(np.add.reduceat(frame[:28, :28], edges[:-1], 0), edges[:-1], 1)
        right = np.corrcoef(small.ravel(), scan.ravel())[0, 1]
        assert right > 0.6
        for turned in (scan.T, scan[::-1, ::-1], np.rot90(scan)):
            assert np.corrcoef(small.ravel(), turned.ravel())[0, 1] <= right
        assert video.min() >= 0
        assert video.max() <= 1


def test_three_saccades_are_three_bursts():
    counts = np.zeros(30)
    for index in range(10):
        events = digits.digit_recording(DigitOptions(), "train", index, np.random.default_rng(index))
        counts += np.bincount(events["t"] // 10_001, minlength=30)
    rest = counts[[0, 9, 10, 19, 20, 29]]
    moving = counts[[4, 5, 14, 15, 24, 25]]
    assert moving.min() > 3 * rest.max()


def test_slow_digits_last_longer_and_move_all_the_time():
    options = DigitOptions(motion="slow", camera=Camera(0.3, 0.3, log_offset=0.15, noise_hz=0))
    events = digits.digit_recording(options, "train", 0, np.random.default_rng(0))
    assert 1_400_000 < events["t"][-1] <= 1_500_000
    assert np.bincount(events["t"] // 150_001, minlength=10).min() > 100


# ---------------------------------------------------------------- gestures

_SMALL = GestureOptions(size=24, shortest_ms=300, longest_ms=400)


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_second_of_a_pair_is_the_reversal_of_the_first(first, second, negative, reverse):
    """From the same random numbers, with the other side of the coin, event by event."""
    one = gestures._record(_SMALL, first, negative, reverse, np.random.default_rng(5))
    other = gestures._record(_SMALL, second, negative, not reverse, np.random.default_rng(5))
    video = gestures.gesture_video(_SMALL, first, np.random.default_rng(5))
    assert len(one) > 100
    back = gestures.reversed_in_time(one, 5000 * (len(video) - 1))
    assert back.tolist() == other.tolist()
    counts = [np.bincount(e["y"].astype(int) * 24 + e["x"], minlength=576) for e in (one, other)]
    assert (counts[0] == counts[1]).all()


def test_reversing_twice_changes_nothing():
    events = gestures.gesture_recording(_SMALL, 0, np.random.default_rng(0))
    back = gestures.reversed_in_time(events, 400_000)
    check_events(back, Sensor(24, 24), "back")
    assert back["t"].tolist() == (400_000 - events["t"])[::-1].tolist()
    assert back["p"].sum() == len(events) - events["p"].sum()
    assert gestures.reversed_in_time(back, 400_000).tolist() == events.tolist()


def test_the_order_within_a_microsecond_does_not_tell_the_direction():
    events = make_events([0, 1, 2, 0], [0, 0, 0, 1], [5, 5, 5, 5], [True, False, True, True])
    back = gestures.reversed_in_time(events, 10)
    assert back[["x", "y"]].tolist() == events[["x", "y"]].tolist()


def test_both_coins_are_tossed_for_every_class(monkeypatch):
    seen = []
    monkeypatch.setattr(gestures, "_record", lambda _, label, *coins: seen.append((label, *coins[:2])))
    for index in range(11 * 40):
        gestures.gesture_recording(_SMALL, index, np.random.default_rng(index))
    for label in range(11):
        coins = np.array([coins for own, *coins in seen if own == label])
        assert np.all((coins.mean(0) > 0.2) & (coins.mean(0) < 0.8))


def test_clockwise_is_clockwise_in_the_picture():
    for label, motion in ((3, "circle-right"), (5, "circle-left")):
        assert "clockwise" in gestures.CLASSES[label]
        assert "counter" not in gestures.CLASSES[label]
        hand = limbs(motion, np.linspace(0, 2 * np.pi, 50), 1.0, 1.0)[:, 5 if label == 3 else 8, :2]
        x, y = (hand - hand.mean(0)).T
        # y runs downwards: a positive turn is clockwise
        assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0
        # the person's right arm is on the left
        assert (hand[:, 0].mean() < 0) == (label == 3)


@pytest.mark.parametrize("motion", MOTIONS)
def test_bones_keep_their_length(motion):
    body = limbs(motion, np.linspace(0, 20, 200), 1.15, 1.0)
    assert np.isfinite(body).all()
    for limb in (3, 4, 6, 7):
        length = np.linalg.norm(body[:, limb, 0:2] - body[:, limb, 2:4], axis=1)
        assert length == pytest.approx(0.19, abs=2e-3)


def test_a_turn_takes_several_of_eight_steps():
    """No aliasing: the fastest circle turns less than half way in an eighth of the longest recording."""
    for motion in ("circle-right", "circle-left", "roll"):
        # a quarter faster at most, by the uneven rhythm
        assert gestures._HERTZ[motion][1] * 1.25 * 1.5 / 8 < 0.5


def test_durations_vary():
    found = [
        gestures.gesture_recording(GestureOptions(), i, np.random.default_rng(i))["t"][-1] for i in range(22)
    ]
    assert 790_000 < min(found) < 1_000_000 < 1_300_000 < max(found) <= 1_500_000


def _counts(events, size, steps, pool):
    """Events in each step of equal time, of each polarity, in blocks of pixels."""
    side = size // pool
    step = events["t"] * steps // (int(events["t"][-1]) + 1)
    where = ((step * 2 + events["p"]) * side + events["y"] // pool) * side + events["x"] // pool
    return np.bincount(where, minlength=steps * 2 * side * side)


@pytest.mark.exhaustive
def test_a_model_that_ignores_time_stays_below_the_ceiling_and_one_that_does_not_exceeds_it(folder):
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    assert pytest.approx((5 + 6 / 2) / 11) == TIME_BLIND_CEILING
    train = open_generated("gestures", "train", count=660, size=32, cache_dir=folder)
    test = open_generated("gestures", "test", count=330, size=32, cache_dir=folder)

    def accuracy(model, steps, pool):
        one, other = (
            np.sqrt([_counts(found[i], 32, steps, pool) for i in range(len(found))])
            for found in (train, test)
        )
        right = model.fit(one, train.labels).predict(other) == test.labels
        paired = np.isin(test.labels, np.ravel(PAIRS))
        return right.mean(), right[~paired].mean()

    # 180 tosses of a coin
    deviation = np.sqrt(180 / 4) / 330
    for model in (
        ExtraTreesClassifier(100, random_state=0),
        make_pipeline(StandardScaler(), SVC(C=10)),
    ):
        blind, untimed = accuracy(model, 1, 2)
        assert blind < TIME_BLIND_CEILING + 3 * deviation
        # a strong one: it knows everything but the order of time
        assert blind > TIME_BLIND_CEILING - 3 * deviation - 0.02
        assert untimed > 0.95
    aware, _ = accuracy(ExtraTreesClassifier(100, random_state=0), 4, 4)
    assert aware > TIME_BLIND_CEILING + 5 * deviation


# ---------------------------------------------------------------- the cache


def test_the_second_time_it_is_read(folder, monkeypatch):
    first = open_generated("gestures", "test", count=5, cache_dir=folder)

    def never(*_):
        raise AssertionError("made again")

    monkeypatch.setattr(recordings, "_make", never)
    again = open_generated("gestures", "test", count=5, cache_dir=folder)
    assert again.path == first.path
    assert again.path.is_file()
    assert all(again[i].tolist() == first[i].tolist() for i in range(5))


def _change(value):
    if isinstance(value, Camera):
        return Camera(0.35, 0.35)
    if isinstance(value, str):
        return "slow"
    return value + 1


@pytest.mark.parametrize(("name", "kind"), [("digits", DigitOptions), ("gestures", GestureOptions)])
def test_each_option_has_a_file_of_its_own(name, kind, tmp_path, monkeypatch):
    paths = []
    monkeypatch.setattr(recordings, "_cached", lambda path, *_: (paths.append(path), (_empty(), True))[1])
    open_generated(name, "train", cache_dir=tmp_path)
    for field in fields(kind):
        open_generated(
            name, "train", cache_dir=tmp_path, **{field.name: _change(getattr(kind(), field.name))}
        )
    for camera in ({"noise_hz": 9}, {"random_start": False}, {"refractory_us": 9}):
        changed = Camera(**{**asdict(kind().camera), **camera})
        open_generated(name, "train", cache_dir=tmp_path, camera=changed)
    open_generated(name, "train", cache_dir=tmp_path, seed=1)
    open_generated(name, "train", cache_dir=tmp_path, count=7)
    open_generated(name, "test", cache_dir=tmp_path)
    assert len(set(paths)) == len(paths) == len(fields(kind)) + 7


def _empty():
    return store.Stored(np.zeros(0, EVENT), np.zeros(1, np.int64), np.zeros(0, np.int64))


_DAMAGE = {
    "empty": lambda _: b"",
    "not a zip": lambda data: b"x" * len(data),
    "cut short": lambda data: data[: len(data) // 2],
    "a flipped bit in the events": lambda data: _flip(data, len(data) // 3),
    "a flipped bit in the header": lambda data: _flip(data, data.index(b"NUMPY") + 30),
    "trailing cut": lambda data: data[:-10],
}


def _flip(data, at):
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


@pytest.mark.parametrize("damage", _DAMAGE.values(), ids=_DAMAGE)
def test_a_damaged_file_is_made_again_with_a_warning(damage, tmp_path):
    good = open_generated("digits", "test", count=4, cache_dir=tmp_path)
    data = good.path.read_bytes()
    good.path.write_bytes(damage(data))
    with pytest.warns(RuntimeWarning, match=r"damaged: .*; it is made again") as caught:
        again = open_generated("digits", "test", count=4, cache_dir=tmp_path)
    assert caught[0].filename == __file__
    assert all(again[i].tolist() == good[i].tolist() for i in range(4))
    assert good.path.read_bytes() == data


def _wrong(**changes):
    events = np.zeros(3, EVENT)
    parts = {"events": events, "offsets": np.array([0, 1, 3]), "labels": np.array([0, 1])}
    return store.Stored(**{**parts, **changes})


def _event(**values):
    events = np.zeros(3, EVENT)
    for name, value in values.items():
        events[name] = value
    return events


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (_wrong(labels=np.array([0])), "1 labels and 3 offsets"),
        (_wrong(labels=np.array([0, 10])), "a label outside 0 to 9"),
        (_wrong(labels=np.array([0, -1])), "a label outside"),
        (_wrong(offsets=np.array([0, 3, 1])), "offsets do not divide"),
        (_wrong(offsets=np.array([0, 4, 3])), "offsets do not divide"),
        (_wrong(offsets=np.array([1, 1, 3])), "offsets do not divide"),
        (_wrong(events=_event(x=[0, 0, 34])), "recording 1: event 1: x is 34"),
        (_wrong(events=_event(y=[-1, 0, 0])), "recording 0: event 0: y is -1"),
        (_wrong(events=_event(t=[9, 5, 4])), "recording 1: event 1: time runs backwards"),
        (_wrong(events=np.zeros(3)), r"events.npy has dtype float64"),
        (_wrong(labels=np.zeros((2, 1), int)), r"labels.npy has dtype int64 and shape \(2, 1\)"),
    ],
)
def test_a_file_with_a_right_checksum_is_not_believed_either(stored, message, tmp_path):
    store.write_stored(tmp_path / "x.npz", stored)
    with pytest.raises(ValueError, match=message):
        store.read_stored(tmp_path / "x.npz", Sensor(34, 34), 10, 2)


def test_polarities_are_checked(tmp_path):
    events = np.zeros(3, EVENT)
    events["p"].view(np.uint8)[1] = 7
    store.write_stored(tmp_path / "x.npz", _wrong(events=events))
    with pytest.raises(ValueError, match="a polarity that is neither 0 nor 1"):
        store.read_stored(tmp_path / "x.npz", Sensor(34, 34), 10, 2)


def test_whatever_is_damaged_is_an_error_of_the_file(tmp_path):
    path = tmp_path / "x.npz"
    store.write_stored(path, _wrong())
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    whole = store.read_stored(path, Sensor(34, 34), 10, 2)
    refused = 0
    for _ in range(400):
        changed = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            changed[at] = rng.integers(0, 256)
        path.write_bytes(bytes(changed))
        try:
            found = store.read_stored(path, Sensor(34, 34), 10, 2)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017
            refused += 1
        else:  # bytes that mean nothing, such as the time of day
            assert all((a == b).all() for a, b in zip(found, whole, strict=True))
    assert refused > 200


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(RuntimeWarning, match="not kept for the next time") as caught:
        found = open_generated("digits", "test", count=2, cache_dir=tmp_path / "file")
    assert caught[0].filename == __file__
    assert found.path is None
    assert len(found[1]) > 500


def test_a_full_disk_is_no_obstacle(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(recordings, "write_stored", full)
    made, make = [], recordings._make
    monkeypatch.setattr(recordings, "_make", lambda *a: made.append(1) or make(*a))
    with pytest.warns(RuntimeWarning, match="No space left"):
        found = open_generated("digits", "test", count=2, cache_dir=tmp_path)
    assert found.path is None
    assert len(found) == 2
    assert len(made) == 1
    assert not list(tmp_path.rglob("*.npz"))


_OPEN = """
import sys, warnings
from liafseq.tasks.dvs.generated import open_generated
warnings.simplefilter("error")
found = open_generated("gestures", "train", count=44, cache_dir=sys.argv[1])
print(found.path is not None, sum(int(found[i]["t"].sum()) for i in range(44)))
"""


def test_two_processes_at_the_same_time_both_end_well(tmp_path):
    command = [sys.executable, "-c", _OPEN, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert found[0] == found[1]
    assert found[0].startswith("True ")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"] == [
        "recordings.npz"
    ]


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("LIAFSEQ_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert str(cache_folder()) == "/home/somebody/.cache/liafseq"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert str(cache_folder()) == "/home/somebody/.cache/liafseq"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "liafseq"
    monkeypatch.setenv("LIAFSEQ_CACHE", "~/mine")
    assert str(cache_folder()) == "/home/somebody/mine"
    assert cache_folder(tmp_path) == tmp_path
    monkeypatch.setenv("LIAFSEQ_CACHE", str(tmp_path / "env"))
    assert open_generated("digits", "test", count=1).path.is_relative_to(tmp_path / "env")


def test_same_recordings_same_bytes(tmp_path):
    a, b = (open_generated("digits", "test", count=2, cache_dir=tmp_path / part).path for part in "ab")
    assert a.read_bytes() == b.read_bytes()


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: open_generated("mnist", "train"), ValueError, "name must be one of digits, gestures"),
        (lambda: open_generated("digits", "valid"), ValueError, "split must be one of train, test"),
        (lambda: open_generated("digits", "test", count=360), ValueError, "at most 359 for digits/test"),
        (lambda: open_generated("gestures", "test", count=10**9), ValueError, "count must be at most"),
        (lambda: open_generated("gestures", "test", count=0), ValueError, "count must be at least 1"),
        (lambda: open_generated("gestures", "test", count=2.0), TypeError, "count must be a whole number"),
        (lambda: open_generated("gestures", "test", seed=-1), ValueError, "seed must be at least 0"),
        (lambda: open_generated("gestures", "test", seed="a"), TypeError, "seed must be a whole number"),
        (lambda: open_generated("gestures", "test", motion="slow"), TypeError, "no option 'motion'; its"),
        (lambda: open_generated("digits", "test", motion="fast"), ValueError, "one of saccades, slow"),
        (lambda: open_generated("digits", "test", size=4), ValueError, "size must be from 16 to 128, got 4"),
        (lambda: open_generated("digits", "test", glyph="a"), TypeError, "glyph must be a number"),
        (lambda: open_generated("digits", "test", travel=np.nan), ValueError, "travel must be from"),
        (lambda: open_generated("digits", "test", camera=1), TypeError, "camera must be a Camera"),
        (lambda: open_generated("gestures", "test", camera=None), TypeError, "camera must be a Camera"),
        (lambda: open_generated("gestures", "test", camera=Camera(0.2, 0.3)), ValueError, "equal thresholds"),
        (lambda: open_generated("gestures", "test", size=32.0), TypeError, "size must be a whole number"),
        (lambda: open_generated("gestures", "test", longest_ms=100), ValueError, "must not be above"),
        (lambda: gestures.gesture_video(_SMALL, 4, np.random.default_rng()), ValueError, "label must be"),
        (lambda: limbs("dance", np.zeros(1), 1, 1), ValueError, "motion must be one of clap"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, message, tmp_path, monkeypatch):
    monkeypatch.setenv("LIAFSEQ_CACHE", str(tmp_path / "none"))
    with pytest.raises(error, match=message):
        call()
    assert not os.path.lexists(tmp_path / "none")


@pytest.mark.parametrize(
    ("index", "error"),
    [(2, IndexError), (-3, IndexError), (0.0, TypeError), (True, TypeError), ("0", TypeError)],
)
def test_numbers_of_recordings(index, error, folder):
    found = open_generated("digits", "test", count=2, cache_dir=folder)
    with pytest.raises(error, match="number"):
        found[index]
    with pytest.raises(error, match="number"):
        found.title(index)


def test_extreme_options_work():
    rng = np.random.default_rng(0)
    for options in (
        GestureOptions(size=16, shortest_ms=100, longest_ms=100, clutter=0, contrast=0.1),
        GestureOptions(size=128, shortest_ms=101, longest_ms=104, clutter=20, contrast=10),
    ):
        for index in range(11):
            check_events(gestures.gesture_recording(options, index, rng), options.sensor, "extreme")
    for motion in digits.MOTIONS:
        for options in (
            DigitOptions(motion, 16, 96, 32, 16),
            DigitOptions(motion, 128, 8, 0.1, 0),
        ):
            check_events(digits.digit_recording(options, "test", 0, rng), options.sensor, "extreme")
