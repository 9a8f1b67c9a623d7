"""Archives from anywhere: no member is followed out, and none is believed about its size."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from liafseq.tasks.babi import archive, sources
from liafseq.tasks.babi.sources import load

QA1 = "qa1_single-supporting-fact"
WANTED = f"en-10k/{QA1}_train.txt"
TRAIN = "1 Mary moved to the bathroom.\n2 Where is Mary? \tbathroom\t1\n"


def tar_of(path: Path, members, mode="w:gz"):
    with tarfile.open(path, mode) as file:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                file.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            file.addfile(info, io.BytesIO(content.encode()))
    return path


def zip_of(path: Path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


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
