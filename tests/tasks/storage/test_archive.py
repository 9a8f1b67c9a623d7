"""Archives from anywhere: no member is followed out, and none is believed about its size."""

from __future__ import annotations

import gzip
import stat
import subprocess
import sys
import tarfile
import zipfile

import pytest

from liafseq.tasks.babi.stories import sources
from liafseq.tasks.babi.stories.sources import load
from liafseq.tasks.storage import archive
from liafseq.tasks.storage.archive import unpacked

from ..made_archives import tar_of, zip_of

QA1 = "qa1_single-supporting-fact"
WANTED = f"en-10k/{QA1}_train.txt"
TRAIN = "1 Mary moved to the bathroom.\n2 Where is Mary? \tbathroom\t1\n"


@pytest.mark.parametrize("name", ["../../x/", "/", "a/../../"])
@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_names_that_lead_out(tmp_path, make, name):
    path = make(tmp_path / ("a.zip" if make is zip_of else "a.tgz"), [(name + WANTED, TRAIN)])
    with pytest.raises(ValueError, match=r"a\.(zip|tgz): member .* leads out of the archive"):
        load(1, "train", path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_in_a_tar(tmp_path, kind):
    link = tarfile.TarInfo(WANTED)
    link.type, link.linkname = kind, "other.txt"
    path = tar_of(tmp_path / "a.tgz", [("other.txt", TRAIN), (WANTED, link)])
    with pytest.raises(ValueError, match="no regular file"):
        load(1, "train", path)


def test_links_in_a_zip(tmp_path):
    info = zipfile.ZipInfo(WANTED)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = zip_of(tmp_path / "a.zip", [(info, "/etc/hostname")])
    with pytest.raises(ValueError, match="no regular file"):
        load(1, "train", path)


def test_sizes_are_checked_before_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 1000)
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 1000)
    big = "1 x\n" * 500
    for path in (
        zip_of(tmp_path / "a.zip", [(WANTED, big)]),
        tar_of(tmp_path / "a.tgz", [(WANTED, big)]),
    ):
        with pytest.raises(ValueError, match="has 2000 bytes; at most 1000"):
            load(1, "train", path)
    (tmp_path / f"{QA1}_train.txt").write_text(big)
    with pytest.raises(ValueError, match="has 2000 bytes; at most 1000"):
        load(1, "train", tmp_path)


def test_a_header_that_claims_gigabytes(tmp_path):
    """A long-name header of 1 GiB of zeros, 1 MiB compressed: tarfile alone would read it whole."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**30
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        for _ in range(300):
            file.write(bytes(2**20))
    with pytest.raises(ValueError, match="before the next member"):
        load(1, "train", path)


@pytest.mark.parametrize("end", ["tar.gz", "tar.xz", "tar.bz2", "tar", "zip"])
def test_broken_archives(tmp_path, end):
    (tmp_path / f"a.{end}").write_bytes(b"not an archive at all" * 100)
    with pytest.raises(ValueError, match=rf"a\.{end}: not a readable archive"):
        load(1, "train", tmp_path / f"a.{end}")


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2"])
def test_cut_archives(tmp_path, kind):
    whole = tar_of(tmp_path / f"b.tar.{kind}", [(WANTED, TRAIN * 1000)], f"w:{kind}").read_bytes()
    path = tmp_path / f"a.tar.{kind}"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="not a readable archive"):
        load(1, "train", path)


def test_cut_zip(tmp_path):
    path = zip_of(tmp_path / "a.zip", [(WANTED, TRAIN)])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match="not a readable archive"):
        load(1, "train", path)


def test_an_archive_is_unpacked_once(tmp_path, monkeypatch):
    monkeypatch.setenv("LIAFSEQ_CACHE", str(tmp_path / "cache"))
    path = zip_of(tmp_path / "a.zip", [(WANTED, TRAIN), ("empty/", ""), ("notes\\a.txt", "windows")])
    folder = unpacked(path)
    assert folder.is_relative_to(tmp_path / "cache")
    assert {file.relative_to(folder).as_posix() for file in folder.rglob("*.txt")} == {WANTED, "notes/a.txt"}
    with monkeypatch.context() as patch:
        patch.setattr(archive, "_unpack_zip", None)
        assert unpacked(path) == folder
    zip_of(path, [(WANTED, TRAIN * 2)])
    assert (unpacked(path) / WANTED).read_text() == TRAIN * 2
    assert (folder / WANTED).read_text() == TRAIN


def test_a_refused_archive_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.setenv("LIAFSEQ_CACHE", str(tmp_path / "cache"))
    path = zip_of(tmp_path / "a.zip", [(WANTED, TRAIN), ("../x", TRAIN)])
    with pytest.raises(ValueError, match="leads out"):
        unpacked(path)
    assert [file.name for file in (tmp_path / "cache").rglob("*") if file.is_file()] == [".lock"]
    assert not (tmp_path / "x").exists()


def test_processes_that_unpack_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("LIAFSEQ_CACHE", str(tmp_path / "cache"))
    path = tar_of(tmp_path / "a.tgz", [(f"{number}.txt", TRAIN * 50) for number in range(300)])
    code = f"""
from pathlib import Path
from liafseq.tasks.storage.archive import unpacked
print(len(list(unpacked(Path({str(path)!r})).iterdir())))
"""
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == [b"300"] * 3


def test_an_encrypted_zip(tmp_path):
    path = zip_of(tmp_path / "a.zip", [(WANTED, TRAIN)])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.zip: member .* is encrypted"):
        load(1, "train", path)


def test_too_much_in_all(tmp_path, monkeypatch):
    path = zip_of(tmp_path / "a.zip", [(f"{number}.txt", TRAIN) for number in range(3)])
    with monkeypatch.context() as patch:
        patch.setattr(archive, "MAX_MEMBERS", 2)
        with pytest.raises(ValueError, match=r"a\.zip: more than 2 files"):
            unpacked(path)
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 2 * len(TRAIN))
    with pytest.raises(ValueError, match=r"a\.zip: more than \d+ bytes"):
        unpacked(path)


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("x" * 300,), (".",)])
@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_names_that_no_folder_can_hold(tmp_path, make, names):
    path = make(tmp_path / ("a.zip" if make is zip_of else "a.tgz"), [(name, TRAIN) for name in names])
    with pytest.raises(ValueError, match=r"a\.(zip|tgz): "):
        unpacked(path)
