"""AEDAT 1.0, 2.0 and 3.1, and the tables of gestures: bit by bit."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from liafseq.tasks.dvs.events import make_events
from liafseq.tasks.dvs.formats import (
    Cut,
    TruncatedWarning,
    decode_aedat2,
    decode_aedat3,
    parse_cuts,
    read_events,
)

from .writers import (
    AEDAT2_HEADER,
    AEDAT3_HEADER,
    SENSOR,
    decode,
    packet,
    polarity,
    random_events,
    save,
    write_aedat2,
    write_aedat3,
    write_cuts,
)

# AEDAT 1.0 and 2.0


def test_aedat2_by_hand():
    data = AEDAT2_HEADER + bytes.fromhex("00000000 00000005 00007FFF 00000006 00000102 00000007")
    assert decode_aedat2(data, "a").tolist() == [(127, 127, 5, True), (0, 0, 6, False), (126, 126, 7, True)]
    raw = decode_aedat2(data, "a", convention="raw")
    assert raw.tolist() == [(0, 0, 5, False), (127, 127, 6, True), (1, 1, 7, False)]


def test_aedat2_conventions():
    events = random_events(100)
    assert np.array_equal(
        decode_aedat2(write_aedat2(events, raw=True), "a", convention="raw"),
        events,
    )
    with pytest.raises(ValueError, match="convention should be 'jaer' or 'raw', got 'tonic'"):
        decode_aedat2(write_aedat2(events), "a", convention="tonic")


@pytest.mark.parametrize("header", [b"", b"# an early recording\r\n"], ids=["none", "no version"])
def test_aedat1_without_a_version(tmp_path, header):
    events = random_events(100)
    path = save(tmp_path, "aedat1", write_aedat2(events, header=header, version=1))
    assert np.array_equal(read_events(path, "aedat1"), events)
    for form in (None, "aedat2"):
        with pytest.raises(ValueError, match=r"byte 0: .*'aedat1'"):
            read_events(path, form)


def test_aedat1_whose_first_byte_is_that_of_a_comment():
    events = make_events([5], [127 - ord("#")], [1000], [1])
    data = write_aedat2(events, header=b"#!AER-DAT1.0\r\n", version=1)
    assert data[14:15] == b"#"
    assert np.array_equal(decode_aedat2(data, "a"), events)


def test_aedat_headers_of_many_lines_and_letters():
    header = b"#!AER-DAT2.0\n# created Mo M\xe4r 01\r\n#\r\n#\t<entry key='a'/>\n"
    events = random_events(20)
    assert np.array_equal(decode_aedat2(write_aedat2(events, header=header), "a"), events)


def test_a_header_that_is_cut_off():
    with pytest.raises(ValueError, match=r"^a: byte 14: the file ends inside a line of its header"):
        decode_aedat2(AEDAT2_HEADER[:-1], "a")


@pytest.mark.parametrize(
    ("form", "header", "told"),
    [
        ("aedat2", b"#!AER-DAT1.0\r\n", "AEDAT 1.0, expected AEDAT 2.0"),
        ("aedat1", b"#!AER-DAT2.0\r\n", "AEDAT 2.0, expected AEDAT 1.0"),
        ("aedat2", AEDAT3_HEADER, "AEDAT 3.1, expected AEDAT 2.0"),
        ("aedat3", b"#!AER-DAT3.0\r\n#!END-HEADER\r\n", "AEDAT 3.0, expected AEDAT 3.1"),
        ("aedat3", AEDAT2_HEADER, "AEDAT 2.0, expected AEDAT 3.1"),
    ],
)
def test_wrong_versions(form, header, told):
    with pytest.raises(ValueError, match=rf"^a\.aedat: byte 0: {told}"):
        decode(header + bytes(80), form)


def test_the_clock_of_aedat2_begins_again():
    events = random_events(50)
    events["t"] = 2**32 - 20 + np.arange(50)
    assert np.array_equal(decode_aedat2(write_aedat2(events), "a"), events)


def test_a_clock_that_was_set_back():
    events = random_events(8)
    events["t"] = [50, 60, 3, 9, 1, 1, 0, 7]
    data = write_aedat2(events)
    read = decode_aedat2(data, "a", backwards="continue")
    # As dat2mat.m: each time after a step back counts from the last one before it.
    assert read["t"].tolist() == [50, 60, 63, 69, 70, 70, 70, 77]
    with pytest.raises(ValueError, match="event 2: time runs backwards, from 60 to 3"):
        decode_aedat2(data, "a")
    with pytest.raises(ValueError, match="backwards should be 'error' or 'continue', got 'sort'"):
        decode_aedat2(data, "a", backwards="sort")


def test_a_clock_that_begins_again_and_is_set_back():
    events = random_events(4)
    events["t"] = [2**32 - 5, 2**32 + 5, 2, 4]
    read = decode_aedat2(write_aedat2(events), "a", backwards="continue")
    assert read["t"].tolist() == [2**32 - 5, 2**32 + 5, 2**32 + 7, 2**32 + 9]


def test_external_events_are_left_out():
    events = random_events(4)
    data = bytearray(write_aedat2(events))
    begin = len(AEDAT2_HEADER)
    data[begin + 8 + 2] |= 0x80
    data[begin + 16] |= 0x80
    assert np.array_equal(decode_aedat2(bytes(data), "a"), events[[0, 3]])
    events["t"] = [1, 2, 3, 0]
    data[begin:] = write_aedat2(events, header=b"")
    data[begin + 8 + 2] |= 0x80
    with pytest.raises(ValueError, match=f"byte {begin + 24}: event 2: time runs backwards, from 3 to 0"):
        decode_aedat2(bytes(data), "a")


def test_addresses_of_another_camera():
    data = bytearray(write_aedat2(random_events(9)))
    data[-7] = 1
    with pytest.raises(ValueError, match=f"byte {len(data) - 8}: event 8: address 0x0001.*another camera"):
        decode_aedat2(bytes(data), "a")


# AEDAT 3.1


def test_aedat3_by_hand():
    word = 0b000000000000011_000000000000101_1_1
    data = AEDAT3_HEADER + packet(1, struct.pack("<II", word, 9), each=8, number=1, overflow=2)
    assert decode_aedat3(data, "a").tolist() == [(3, 5, 9 + 2 * 2**31, True)]


def test_the_clock_of_aedat3_overflows():
    events = random_events(50)
    events["t"] = 2**31 - 20 + np.arange(50)
    assert np.array_equal(decode_aedat3(write_aedat3(events), "a"), events)


def test_other_packets_and_room_that_is_not_used_are_skipped():
    events = random_events(30)
    data = (
        AEDAT3_HEADER
        + packet(0, bytes(16), each=8, number=2)
        + polarity(events[:10], room=13)
        + bytes(3 * 8)
        + packet(3, bytes(36 * 5), each=36, number=5)
        + polarity(events[:0])
        + polarity(events[10:])
    )
    assert np.array_equal(decode_aedat3(data, "a"), events)


def test_invalid_events_are_left_out_and_offsets_count_them():
    events = random_events(10)
    events["t"][5] = 2**31 - 1
    events["x"][8] = 200
    valid = np.arange(10) != 5
    data = AEDAT3_HEADER + polarity(events, flags=valid)
    assert np.array_equal(decode_aedat3(data, "a"), events[valid])
    with pytest.raises(ValueError, match=f"byte {len(data) - 2 * 8}: event 7: x is 200"):
        decode_aedat3(data, "a", SENSOR)


@pytest.mark.parametrize("lost", [1, 7, 8 * 9 - 1, 8 * 10, 8 * 10 + 1, 8 * 10 + 27])
def test_aedat3_cut_off_anywhere(lost):
    events = random_events(40)
    data = write_aedat3(events, each=10)
    whole = 30 + max(0, 10 - (lost + 7) // 8)
    with pytest.warns(TruncatedWarning, match=f"the {whole} whole events"):
        read = decode_aedat3(data[:-lost], "a")
    assert np.array_equal(read, events[:whole])


def test_aedat3_cut_off_in_a_packet_that_is_skipped():
    data = write_aedat3(random_events(3)) + packet(3, bytes(20), each=36, number=5)
    with pytest.warns(TruncatedWarning, match=f"byte {len(data) - 20}: .*180 bytes; the 3 whole"):
        assert len(decode_aedat3(data, "a")) == 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"room": 1}, "not the header of a packet"),
        ({"valid": 3}, "not the header of a packet"),
        ({"valid": -1}, "not the header of a packet"),
        ({"overflow": -1}, "not the header of a packet"),
        ({"time_at": 0}, "polarity events of 8 bytes, time at 0"),
    ],
    ids=str,
)
def test_packets_that_contradict_themselves(changes, told):
    events = random_events(2)
    data = AEDAT3_HEADER + polarity(events) + polarity(events, **changes)
    begin = len(AEDAT3_HEADER) + 28 + 16
    with pytest.raises(ValueError, match=f"^a: byte {begin}: {told}"):
        decode_aedat3(data, "a")


def test_negative_times_in_aedat3():
    body = struct.pack("<IiIi", 1, 5, 1, -5)
    data = AEDAT3_HEADER + packet(1, body, each=8, number=2)
    with pytest.raises(ValueError, match=f"byte {len(data) - 8}: time is -5, below 0"):
        decode_aedat3(data, "a")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"#!AER-DAT3.1\r\n#Format: RAW\r\n", "byte 28: the header does not end"),
        (b"#!AER-DAT3.1\r\n#Format: PNGFrames\r\n#!END-HEADER\r\n", "byte 14: format 'PNGFrames'"),
        (b"#Format: RAW\r\n#!END-HEADER\r\n", "byte 0: no line '#!AER-DAT3.1'"),
    ],
)
def test_headers_of_aedat3(header, told):
    with pytest.raises(ValueError, match=f"^a: {told}"):
        decode_aedat3(write_aedat3(random_events(3), header=header), "a")


def test_a_packet_after_the_header_that_looks_like_a_comment():
    body = packet(0x0A23, b"", each=0, number=0)
    assert body.startswith(b"#\n")
    events = random_events(3)
    data = AEDAT3_HEADER + body + polarity(events)
    assert np.array_equal(decode_aedat3(data, "a"), events)


def test_cuts():
    data = write_cuts([(1, 100, 200), (11, 190, 400)])
    assert parse_cuts(data, "a.csv", 11) == [Cut(0, 100, 200, 2), Cut(10, 190, 400, 3)]
    assert parse_cuts(data.replace(b"\n", b"\r\n") + b"\n\n", "a.csv", 11) == parse_cuts(data, "a.csv", 11)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a.csv:1: expected the line"),
        ("class,start,end\n1,2,3\n", "a.csv:1: expected the line"),
        ("class,startTime_usec,endTime_usec\n", "a.csv: no gestures"),
        ("class,startTime_usec,endTime_usec\n1,2,3\n1,2\n", "a.csv:3: expected three whole numbers"),
        ("class,startTime_usec,endTime_usec\n1,2,x\n", "a.csv:2: expected three whole numbers"),
        ("class,startTime_usec,endTime_usec\n1,2,\u0663\n", "a.csv: byte 38: .*not ASCII"),
        (f"class,startTime_usec,endTime_usec\n1,2,{'9' * 5000}\n", "a.csv:2: expected three whole numbers"),
        ("class,startTime_usec,endTime_usec\n12,2,3\n", "a.csv:2: class 12, expected 1 to 11"),
        ("class,startTime_usec,endTime_usec\n0,2,3\n", "a.csv:2: class 0, expected 1 to 11"),
        ("class,startTime_usec,endTime_usec\n1,3,3\n", "a.csv:2: the gesture ends at 3"),
    ],
)
def test_wrong_cuts(text, told):
    with pytest.raises(ValueError, match=f"^{told}"):
        parse_cuts(text.encode(), "a.csv", 11)
