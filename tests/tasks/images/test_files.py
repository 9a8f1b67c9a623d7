"""Images from each kind of file, and that nothing that a file says of itself is believed."""

import os
import pickle
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from liafseq.tasks.images.files import arrays, read
from liafseq.tasks.sequences.image_files import as_array, decode_image

from . import image_writers as writers


def test_digits_are_bytes():
    found = read("digits")["whole"]
    assert found.pixels.shape == (1797, 1, 8, 8)
    assert (found.pixels.dtype, found.pixels.min(), found.pixels.max()) == (np.uint8, 0, 255)
    assert set(found.names) == set("0123456789")


def test_idx(tmp_path):
    x, y = writers.write_idx(tmp_path / "a")
    found = read(str(tmp_path / "a"))
    assert np.array_equal(found["whole"].pixels, x[:, None])
    assert found["whole"].names == [str(label) for label in y]
    assert set(read(str(tmp_path / "a" / "train-images-idx3-ubyte"))) == {"whole"}
    writers.write_idx(tmp_path / "a", "t10k", 6)
    assert {part: len(images.names) for part, images in read(str(tmp_path / "a")).items()} == {
        "train": 24,
        "test": 6,
    }


@pytest.mark.parametrize("channels", [1, 3])
def test_npz_with_the_channels_first_or_last(tmp_path, channels):
    x, y = writers.pictures(channels=channels)
    first = x[:, None] if channels == 1 else x.transpose(0, 3, 1, 2)
    for number, own in enumerate((x, first)):
        path = tmp_path / f"{number}.npz"
        np.savez(path, x=own, y=y)
        assert np.array_equal(read(str(path))["whole"].pixels, first)
    np.savez(tmp_path / "train.npz", x=x / 255, y=np.array(["no", "yes"])[y])
    np.savez(tmp_path / "test.npz", x=x[:4] / 255, y=y[:4, None])
    (tmp_path / "0.npz").unlink()
    found = read(str(tmp_path))
    assert found["train"].pixels.dtype == np.float32
    assert found["train"].names[:2] == ["no", "yes"]
    assert found["test"].names == ["0", "1", "0", "1"]


@pytest.mark.parametrize("fine", [False, True])
def test_cifar(tmp_path, fine):
    x, _ = writers.write_cifar(tmp_path / "cifar", fine)
    found = read(str(tmp_path / "cifar"))
    assert len(found["train"].names) == (12 if fine else 24)
    assert found["test"].names == ["upper", "lower"] * 6
    assert np.array_equal(found["test"].pixels, x.transpose(0, 3, 1, 2))


def test_pickled_cifar_is_refused_unread(tmp_path):
    for name in ("data_batch_1", "train"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_bytes(pickle.dumps({"data": 1}))
        with pytest.raises(ValueError, match=rf"{name}: is CIFAR's pickled python version"):
            read(str(folder))


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_folder_per_class(tmp_path, form, channels):
    x, _ = writers.write_classes(tmp_path / "train", channels=channels, form=form)
    writers.write_classes(tmp_path / "test", 4, channels=channels, form=form)
    found = read(str(tmp_path))
    assert found["train"].names == ["lower"] * 12 + ["upper"] * 12
    assert found["train"].pixels.shape == (24, channels, 8, 8)
    if form == "PNG":
        expected = x[1::2, None] if channels == 1 else x[1::2].transpose(0, 3, 1, 2)
        assert np.array_equal(found["train"].pixels[:12], expected)
    assert set(read(str(tmp_path / "train"))) == {"whole"}
    assert read(str(tmp_path), size=5)["test"].pixels.shape == (4, channels, 5, 5)


def test_grey_and_coloured_images_together_are_coloured(tmp_path):
    x, _ = writers.write_classes(tmp_path, 4)
    (tmp_path / "upper" / "a.png").write_bytes(writers.encoded(np.zeros((8, 8, 3), np.uint8)))
    found = read(str(tmp_path))["whole"].pixels
    assert found.shape == (5, 3, 8, 8)
    assert np.array_equal(found[0, 0], x[1])
    assert np.array_equal(found[0, 0], found[0, 2])


def test_images_of_other_modes_are_grey_or_coloured():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for mode, channels in (("1", 1), ("LA", 1), ("P", 3), ("RGBA", 3), ("L", 1)):
        image = Image.fromarray(grey).convert(mode)
        stream = writers.io.BytesIO()
        image.save(stream, "PNG")
        assert as_array(decode_image(stream.getvalue(), "a")).shape == (channels, 8, 8)
    deep = writers.io.BytesIO()
    Image.fromarray(grey.astype(np.uint16) * 200).save(deep, "PNG")
    with pytest.raises(ValueError, match="a: not a readable PNG or JPEG file: expected 8 bits a pixel"):
        decode_image(deep.getvalue(), "a")


def test_hub(monkeypatch):
    import datasets

    x, y = writers.pictures(6)
    rows = [{"img": Image.fromarray(image), "label": int(label)} for image, label in zip(x, y, strict=True)]
    asked = []
    monkeypatch.setattr(
        datasets, "load_dataset", lambda *name: asked.append(name) or {"train": rows, "test": rows[:2]}
    )
    found = read("hub:owner/name:en", image_column="img")
    assert asked == [("owner/name", "en")]
    assert np.array_equal(found["train"].pixels, x[:, None])
    assert found["test"].names == ["0", "1"]
    with pytest.raises(ValueError, match=r"train row 0: no column 'image'; the columns are img, label"):
        read("hub:owner/name")
    with pytest.raises(ValueError, match=r"train row 0: expected an image as 'label', got int"):
        read("hub:owner/name", image_column="label")


def made(folder, what):
    """A folder with a fault, and its path."""
    folder.mkdir(exist_ok=True)
    x, y = writers.pictures(4)
    if what == "other size":
        writers.write_classes(folder, 4)
        (folder / "upper" / "a.png").write_bytes(writers.encoded(np.zeros((9, 7), np.uint8)))
    elif what == "damaged png":
        writers.write_classes(folder, 4)
        (folder / "lower" / "001.png").write_bytes(writers.encoded(x[0])[:60])
    elif what == "gif":
        writers.write_classes(folder, 4)
        (folder / "lower" / "001.png").write_bytes(writers.encoded(x[0], "GIF"))
    elif what == "no images":
        (folder / "upper").mkdir()
    elif what == "y":
        np.savez(folder / "train.npz", y=y)
    elif what == "NaN":
        bad = x / 255
        bad[2, 1, 1] = np.nan
        np.savez(folder / "train.npz", x=bad, y=y)
    elif what == "labels":
        np.savez(folder / "train.npz", x=x, y=y[:3])
    elif what == "float labels":
        np.savez(folder / "train.npz", x=x, y=y / 3)
    elif what == "objects":
        np.savez(folder / "train.npz", x=x, y=np.array([None] * 4))
    elif what == "vectors":
        np.savez(folder / "train.npz", x=x[:, 0], y=y)
    elif what == "shapes":
        np.savez(folder / "train.npz", x=x, y=y)
        np.savez(folder / "test.npz", x=x[:, :5], y=y)
    elif what == "cut cifar":
        (folder / "data_batch_1.bin").write_bytes(bytes(3072))
    elif what == "few names":
        (folder / "data_batch_1.bin").write_bytes(bytes([3]) + bytes(3072))
        (folder / "batches.meta.txt").write_text("a b\n")
    elif what == "text":
        (folder / "notes.txt").write_text("x")
        return str(folder / "notes.txt")
    return str(folder)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("other size", r"upper/a.png: expected 8 x 8 pixels as of .*001.png, got 7 x 9; --size resizes all"),
        ("damaged png", r"lower/001.png: not a readable PNG or JPEG file"),
        ("gif", r"lower/001.png: not a readable PNG or JPEG file"),
        ("no images", r": expected PNG or JPEG files, got none"),
        ("y", r"train.npz: expected the arrays x and y, got y"),
        ("NaN", r"train.npz: image 2: expected finite numbers"),
        ("labels", r"train.npz: expected 4 labels, whole numbers or texts, got \(3,\) of int64"),
        ("float labels", r"train.npz: expected 4 labels, whole numbers or texts, got \(4,\) of float64"),
        ("objects", r"train.npz: y: expected an array of numbers or texts"),
        ("vectors", r"train.npz: expected images \(N, H, W\), .* got \(4, 8\) of uint8"),
        ("shapes", r"expected images of one shape \(C, H, W\), got \(1, 5, 8\) and \(1, 8, 8\)"),
        ("cut cifar", r"data_batch_1.bin: expected records of 3073 bytes, got 3072 bytes"),
        ("few names", r"batches.meta.txt: expected a name for class 3, got 2 names"),
        ("text", r"notes.txt: expected images as IDX, .npz, CIFAR's .bin files, or a folder per class"),
    ],
)
def test_bad_files_are_refused_in_a_line(tmp_path, what, text):
    with pytest.raises(ValueError, match=text) as caught:
        read(made(tmp_path / "data", what))
    assert "\n" not in str(caught.value)


def test_size_is_for_image_files():
    with pytest.raises(ValueError, match="digits: --size is for PNG and JPEG files; these are 8 x 8 pixels"):
        read("digits", size=16)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read("nowhere")


def test_an_image_that_its_file_cannot_hold_is_not_decoded():
    data = bytearray(writers.encoded(np.zeros((8, 8), np.uint8)))
    data[16:24] = (8000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    tracemalloc.start()
    with pytest.raises(ValueError, match="8000 x 8000 pixels are too many"):
        decode_image(bytes(data), "a")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def attempt(what):
    """What it gives, or the text of its ValueError."""
    try:
        return what(), ""
    except ValueError as error:
        return None, str(error)


_PNG = writers.encoded(writers.pictures(1)[0][0])
_JPEG = writers.encoded(writers.pictures(1, channels=3)[0][0], "JPEG")


@pytest.mark.parametrize("whole", [_PNG, _JPEG], ids=["png", "jpeg"])
def test_fuzz_images(whole):
    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(
        st.binary(max_size=100)
        | st.tuples(st.integers(0, len(whole) - 1), st.binary(max_size=4), st.integers(0, 8)).map(
            lambda cut: whole[: cut[0]] + cut[1] + whole[cut[0] + cut[2] :]
        )
    )
    def run(data):
        image, error = attempt(lambda: decode_image(data, "file"))
        assert error.startswith("file: ") if image is None else image.mode in ("L", "RGB")
        assert "\n" not in error

    run()


def test_fuzz_arrays_and_cifar(tmp_path):
    shapes = st.lists(st.integers(0, 5), max_size=5)
    kinds = st.sampled_from(["u1", "i8", "f4", "f8", "c8", "U2", "S2", "?", "M8[s]"])

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(shapes, kinds, shapes, kinds)
    def run(shape, kind, labels, kind_of_labels):
        found, error = attempt(
            lambda: arrays(np.zeros(shape, kind), np.zeros(labels, kind_of_labels), "file")
        )
        if found is None:
            assert error.startswith("file: ")
        else:
            assert found.pixels.ndim == 4
            assert len(found.names) == len(found.pixels)

    run()

    @settings(max_examples=50, deadline=None, derandomize=True, database=None)
    @given(st.integers(0, 7000), st.binary(max_size=12))
    def run_cifar(count, words):
        (tmp_path / "data_batch_1.bin").write_bytes(bytes([1]) * count)
        (tmp_path / "batches.meta.txt").write_bytes(words)
        found, error = attempt(lambda: read(str(tmp_path)))
        if found is None:
            assert re.match(rf"{tmp_path}/(data_batch_1.bin|batches.meta.txt):", error)
        else:
            assert len(found["train"].names) == count // 3073

    run_cifar()


@pytest.mark.exhaustive
def test_published_images(tmp_path, monkeypatch):
    folder = os.environ.get("LIAFSEQ_REFERENCE_DATA")
    archive = folder and Path(folder) / "cifar10_small.tar.xz"
    if not archive or not archive.is_file():
        pytest.skip("LIAFSEQ_REFERENCE_DATA does not name a folder with cifar10_small.tar.xz")
    monkeypatch.setenv("LIAFSEQ_CACHE", str(tmp_path))
    found = read(str(archive))
    assert {part: images.pixels.shape for part, images in found.items()} == {
        "test": (2000, 3, 32, 32),
        "train": (10000, 3, 32, 32),
    }
    assert len(set(found["test"].names)) == 10
