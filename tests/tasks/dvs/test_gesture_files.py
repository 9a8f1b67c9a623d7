"""DVS128 Gesture in its authors' layout and in tonic's."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest

from liafseq.tasks.dvs.published import gesture_files
from liafseq.tasks.dvs.published.folders import open_folder

from .writers import (
    put,
    random_events,
    write_aedat3,
    write_cuts,
    write_npy,
)

CUTS = {
    "user01_lab": [(1, 1000, 2000), (3, 1900, 4000), (11, 5000, 6000)],
    "user23_led": [(8, 1, 3000), (8, 3000, 5000)],
    "user24_led": [(2, 500, 5500)],
}


def gestures(root, trials=True):
    for seed, (name, cuts) in enumerate(CUTS.items()):
        put(root / f"{name}.aedat", write_aedat3(random_events(600, seed=seed, last=6000)))
        put(root / f"{name}_labels.csv", write_cuts(cuts))
    if trials:
        put(root / "trials_to_train.txt", b"user01_lab.aedat\nuser23_led.aedat\n\n")
        put(root / "trials_to_test.txt", b"user24_led.aedat\r\n")
    return root


@pytest.mark.parametrize("above", ["", "DvsGesture"])
@pytest.mark.parametrize("trials", [True, False], ids=["lists", "no lists"])
def test_gestures(tmp_path, above, trials):
    gestures(tmp_path / above, trials)
    train, test = (open_folder("dvs128-gesture", split, tmp_path) for split in ("train", "test"))
    assert train.labels.tolist() == [0, 2, 10, 7, 7]
    assert test.labels.tolist() == [1]
    assert train.title(1) == f"{tmp_path / above / 'user01_lab.aedat'} (user01_lab_labels.csv:3)"
    index = 0
    for seed, cuts in enumerate(list(CUTS.values())[:2]):
        events = random_events(600, seed=seed, last=6000)
        for _, begin, end in cuts:
            inside = (events["t"] >= begin) & (events["t"] < end)
            assert np.array_equal(train[index], events[inside])
            index += 1


def test_a_recording_is_read_once_for_all_its_gestures(tmp_path, monkeypatch):
    reads = []
    plain = gesture_files.read_events
    monkeypatch.setattr(
        gesture_files, "read_events", lambda path, *a: reads.append(path.stem) or plain(path, *a)
    )
    train = open_folder("dvs128-gesture", "train", gestures(tmp_path))
    assert reads == []
    for index in range(len(train)):
        train[index]["t"] = 0  # what is given is the caller's
    assert reads == ["user01_lab", "user23_led"]
    assert train[4]["t"][0] >= 3000
    copy = pickle.loads(pickle.dumps(train))
    assert np.array_equal(copy[4], train[4])
    assert len(pickle.dumps(train)) < 5000


def test_the_fingerprint_knows_the_table(tmp_path):
    train, test = (open_folder("dvs128-gesture", split, gestures(tmp_path)) for split in ("train", "test"))
    before = train.fingerprint, test.fingerprint
    (table,) = tmp_path.rglob("user01_lab_labels.csv")
    table.write_text(table.read_text() + "\n")
    assert train.fingerprint != before[0]
    assert test.fingerprint == before[1]


def test_events_at_the_edges_of_a_gesture(tmp_path):
    gestures(tmp_path)
    events = random_events(5)
    events["t"] = [0, 10, 15, 20, 30]
    put(tmp_path / "user24_led.aedat", write_aedat3(events))
    put(tmp_path / "user24_led_labels.csv", write_cuts([(1, 10, 20)]))
    assert open_folder("dvs128-gesture", "test", tmp_path)[0]["t"].tolist() == [10, 15]


@pytest.mark.parametrize("cut", [(1, 7000, 8000), (1, 5000, 8000), (1, 2, 3), (1, 12, 50)])
def test_a_table_that_does_not_fit_its_recording(tmp_path, cut):
    gestures(tmp_path)
    events = random_events(100)
    events["t"] = np.linspace(10, 6000, 100)
    put(tmp_path / "user24_led.aedat", write_aedat3(events))
    put(tmp_path / "user24_led_labels.csv", write_cuts([(1, 20, 3000), cut]))
    test = open_folder("dvs128-gesture", "test", tmp_path)
    assert len(test[0]) > 10
    told = r"user24_led_labels\.csv:3: the gesture from .* is not in the recording .*from 10 to 6000"
    with pytest.raises(ValueError, match=told):
        test[1]


def test_a_wrong_table_is_told_when_the_folder_is_opened(tmp_path):
    gestures(tmp_path)
    put(tmp_path / "user24_led_labels.csv", write_cuts([(12, 20, 3000)]))
    with pytest.raises(ValueError, match=r"user24_led_labels\.csv:2: class 12"):
        open_folder("dvs128-gesture", "test", tmp_path)


@pytest.mark.parametrize(
    ("line", "error", "told"),
    [
        ("user24_lab.aedat", FileNotFoundError, "there is no .*user24_lab.aedat"),
        ("../user24_led.aedat", ValueError, "expected the name of an .aedat file"),
        ("user24_led.txt", ValueError, "expected the name of an .aedat file"),
        ("user01_lab.aedat", ValueError, "user01_lab.aedat is of nobody in the test set"),
        ("user24_led.aedat", ValueError, "user24_led.aedat is listed twice"),
    ],
)
def test_wrong_lists(tmp_path, line, error, told):
    gestures(tmp_path)
    put(tmp_path / "trials_to_test.txt", f"user24_led.aedat\n{line}\n".encode())
    with pytest.raises(error, match=rf"trials_to_test\.txt:2: {told}"):
        open_folder("dvs128-gesture", "test", tmp_path)


def test_a_missing_table(tmp_path):
    gestures(tmp_path)
    (tmp_path / "user24_led_labels.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"user24_led\.aedat: its table of gestures is missing"):
        open_folder("dvs128-gesture", "test", tmp_path)


def tonic_gestures(root):
    for part, user in (("Train", "user02_lab"), ("Test", "user25_led")):
        for label in (0, 2, 10):
            events = random_events(20 + label, last=1000)
            plain = np.stack([events[name] for name in "xypt"], 1).astype(np.float64)
            put(root / f"ibmGesture{part}" / user / f"{label}.npy", write_npy(plain))
    return root


@pytest.mark.parametrize("above", ["", "DVSGesture"])
def test_gestures_as_tonic_leaves_them(tmp_path, above):
    tonic_gestures(tmp_path / above)
    for split in ("train", "test"):
        recordings = open_folder("dvs128-gesture", split, tmp_path)
        assert recordings.labels.tolist() == [0, 2, 10]
        events = random_events(22, last=1000)
        events["t"] *= 1000
        assert np.array_equal(recordings[1], events)


def test_gestures_of_tonic_in_disorder(tmp_path):
    tonic_gestures(tmp_path)
    put(tmp_path / "ibmGestureTest" / "user25_led" / "11.npy", b"")
    with pytest.raises(ValueError, match=r"11\.npy: expected the number of a class from 0 to 10"):
        open_folder("dvs128-gesture", "test", tmp_path)
    shutil.copytree(tmp_path / "ibmGestureTest" / "user25_led", tmp_path / "ibmGestureTrain" / "user25_led")
    with pytest.raises(ValueError, match="user25_led: is of nobody in the train set"):
        open_folder("dvs128-gesture", "train", tmp_path)
