"""What a network reads of images: codings, changes by chance, statistics; and the networks."""

import random

import numpy as np
import pytest
import torch

from liafseq.tasks.config import FieldError
from liafseq.tasks.images.config import ImagesConfig
from liafseq.tasks.images.data import ImagesData
from liafseq.tasks.images.examples import ImageExamples, coded
from liafseq.tasks.task import find

TASK = find("images")


def config(**fields):
    return ImagesConfig(**{"channels": (4, 6), "steps": 5, **fields})


def data(shape=(1, 4, 6), high=255.0):
    channels = shape[0]
    return ImagesData(
        classes=("a", "b"), shape=shape, mean=(100.0,) * channels, std=(50.0,) * channels, low=0.0, high=high
    )


def test_direct_coding_is_the_standardised_image_at_each_step():
    x = torch.randint(0, 256, (3, 1, 4, 6), dtype=torch.uint8)
    frames = coded(x, [0, 1, 2], config(), data())
    assert frames.shape == (5, 3, 1, 4, 6)
    torch.testing.assert_close(frames[3], (x.float() - 100) / 50)


def test_rate_coding_has_the_probability_of_the_pixel_and_the_chance_of_the_seed():
    x = torch.tensor([0, 51, 204, 255], dtype=torch.uint8).view(1, 1, 2, 2).expand(2, 1, 2, 2)
    frames = coded(x, [1, 2], config(coding="rate", steps=4000), data())
    assert set(frames.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(
        frames.mean((0, 1)).flatten(), torch.tensor([0, 0.2, 0.8, 1]), atol=0.02, rtol=0
    )
    assert not torch.equal(frames[:, 0], frames[:, 1])
    again = coded(x, [2, 1], config(coding="rate", steps=4000), data())
    assert torch.equal(again.flip(1), frames)


def test_latency_coding_has_one_spike_a_pixel_bright_ones_first():
    x = torch.tensor([0, 1, 128, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    frames = coded(x, [0], config(coding="latency"), data())
    assert frames.sum(0).flatten().tolist() == [0, 1, 1, 1]
    assert frames.argmax(0).flatten().tolist() == [0, 4, 2, 0]


def examples(count=6, shape=(2, 4, 6), **fields):
    chance = torch.Generator().manual_seed(0)
    pixels = torch.randint(1, 256, (count, *shape), dtype=torch.uint8, generator=chance)
    return ImageExamples(pixels, torch.arange(count) % 2, config(**fields), data(shape))


def plain(batch):
    return batch.frames[0] * 50 + 100


def test_images_are_moved_and_mirrored_as_one_by_one():
    found, chance = examples(crop=2, flip=True), random.Random(0)
    rows = [3, 0, 5, 1]
    changes = [found.change(chance) for _ in rows]
    batch = found.changed(rows, changes)
    assert batch.label.tolist() == [1, 0, 1, 1]
    for made, row, (down, right, flip, _) in zip(plain(batch), rows, changes, strict=True):
        image = np.pad(found.pixels[row].numpy(), ((0, 0), (2, 2), (2, 2)))
        cut = image[:, 2 - down : 6 - down, 2 - right : 8 - right]
        np.testing.assert_allclose(made.numpy(), cut[..., ::-1] if flip else cut, atol=1e-3)
    assert {change.flip for change in changes} == {True, False}
    assert len({change[:2] for change in changes}) > 1


def test_without_changes_by_chance_there_are_none():
    assert examples().change(random.Random(0)) is None
    assert examples(coding="latency").change(random.Random(0)) is None
    change = examples(coding="rate").change(random.Random(0))
    assert change[:3] == (0, 0, False)
    assert examples(coding="rate").change(random.Random(1)).seed != change.seed


def test_an_image_is_coded_alike_in_every_batch():
    found = examples(coding="rate")
    assert torch.equal(found.batch([4, 2]).frames[:, 1], found.batch([2]).frames[:, 0])
    assert not torch.equal(found.batch([2]).frames, examples(coding="rate", data_seed=1).batch([2]).frames)


def files(folder, x, y, part="train"):
    folder.mkdir(exist_ok=True)
    np.savez(folder / f"{part}.npz", x=x, y=y)
    return str(folder)


def test_statistics_are_of_the_training_part_alone(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 100, (40, 5, 6, 3), np.uint8), np.arange(40) % 2
    source = files(tmp_path / "a", x, y)
    files(tmp_path / "a", x[:6] + 100, np.array([0, 1, 7, 0, 1, 0]), "test")
    run = config(source=source, valid_fraction=0.25)
    found = TASK.data(run)
    train = found.split(run, "train")
    assert {split: len(found.split(run, split)) for split in ("train", "valid", "test")} == {
        "train": 30, "valid": 10, "test": 6,
    }  # fmt: skip
    own = train.pixels.numpy().astype(np.float64)
    np.testing.assert_allclose(found.mean, own.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(found.std, own.std((0, 2, 3)), rtol=1e-5)
    assert found.classes == ("0", "1")
    assert found.shape == (3, 5, 6)
    assert found.split(run, "test").target.tolist() == [0, 1, -1, 0, 1, 0]
    assert torch.bincount(found.split(run, "valid").target).tolist() == [5, 5]
    assert TASK.data(run, found.kept()) == found
    assert TASK.floor(run) == {"images": 0.5}


def test_a_float_image_has_its_own_black_and_white(tmp_path):
    x = np.linspace(-2, 6, 60 * 16).reshape(60, 4, 4)
    run = config(source=files(tmp_path / "a", x, np.arange(60) % 10))
    found = TASK.data(run)
    train = found.split(run, "train").pixels
    assert (found.low, found.high) == (float(train.min()), float(train.max()))
    assert found.classes == tuple("0123456789")


def test_classes_are_in_the_order_of_their_numbers(tmp_path):
    x = np.zeros((120, 4, 4))
    found = TASK.data(config(source=files(tmp_path / "a", x, np.arange(120) % 12)))
    assert found.classes[-2:] == ("10", "11")
    assert found.std == (pytest.approx(1e-6),)
    with pytest.raises(ValueError, match="expected at least two classes, got 3 alone"):
        TASK.data(config(source=files(tmp_path / "b", x, np.full(120, 3))))


def test_images_of_another_shape_are_refused(tmp_path):
    run = config(source=files(tmp_path / "a", np.zeros((24, 4, 4)), np.arange(24) % 2))
    with pytest.raises(ValueError, match=r"expected images \(C, H, W\) = \(1, 4, 4\), got \(1, 8, 8\)"):
        TASK.data(run).split(config(), "test")
    with pytest.raises(ValueError, match="not the classes and statistics of a run"):
        TASK.data(run, {"classes": 3})


@pytest.mark.parametrize("model", ["conv-liaf", "conv-lif", "conv-dalif", "conv-mlif", "conv-relu"])
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 9, 5)])
def test_resnet_gives_logits_and_every_weight_a_gradient(model, shape):
    run = config(model=model, network="resnet", channels=(4, 6), steps=2)
    network = TASK.network(run, data(shape))
    logits = network(torch.randn(2, 3, *shape), torch.tensor([2, 2, 2]))
    assert logits.shape == (3, 2)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_resnet_20_has_as_many_weights_as_published():
    """0.27 million (He et al. 2016, table 6): 20 layers without bias, their normalisation, the head."""
    cifar = data((3, 32, 32)).model_copy(update={"classes": tuple("0123456789")})
    network = TASK.network(ImagesConfig(model="conv-relu", network="resnet"), cifar)
    widths = [(3, 16), *[(16, 16)] * 6, (16, 32), *[(32, 32)] * 5, (32, 64), *[(64, 64)] * 5]
    expected = sum(9 * inner * outer + 2 * outer for inner, outer in widths) + 64 * 10 + 10
    assert sum(p.numel() for p in network.parameters()) == expected == 269_722
    assert len(network.layers) + 1 == 20


def test_a_block_of_the_resnet_adds_what_comes_in():
    network = TASK.network(config(model="conv-relu", network="resnet", channels=(4,)), data((1, 8, 8)))
    for layer in network.layers[1:]:  # relu(norm) is 0
        torch.nn.init.constant_(layer.norm.bias, -100.0)
    x = torch.randn(2, 3, 1, 8, 8)
    expected = network.layers[0](x)[0].mean((-2, -1))
    torch.testing.assert_close(network.features(x, torch.tensor([2, 2, 2])), expected)


def test_memory_reaches_over_the_steps_of_a_resnet_and_relu_has_none():
    for model in ("conv-liaf", "conv-relu"):
        network = TASK.network(config(model=model, network="resnet"), data((1, 8, 8))).eval()
        x, lengths = torch.randn(4, 1, 1, 8, 8), torch.tensor([4])
        alike = torch.allclose(network(x, lengths), network(x.flip(0), lengths), atol=1e-5)
        assert alike == (model == "conv-relu")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"model": "gru", "network": "resnet"}, "network=resnet is not for gru, which has no normalisation"),
        ({"model": "conv3d", "network": "resnet"}, "network=resnet is not for conv3d"),
        ({"model": "conv-lstm", "network": "resnet"}, "network=resnet is not for conv-lstm"),
        ({"network": "resnet", "normalization": "none"}, "normalization must be batch in a resnet, got none"),
        ({"coding": "phase"}, "coding must be one of direct, rate, latency, got 'phase'"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"kernel_size": 2}, "kernel_size must be odd"),
        ({"crop": -1}, "crop must be at least 0"),
        ({"model": "conv-relu:decay=1"}, "model 'conv-relu' takes no options"),
    ],
)
def test_bad_settings_are_refused_by_name(fields, text):
    with pytest.raises(FieldError, match=text):
        ImagesConfig(**fields)


def test_a_study_shows_a_network_without_memory_a_still_image_once():
    from liafseq.tasks.models import ModelSpec

    base = config(synapse=True)
    relu, lif = (TASK.adapt(base, ModelSpec.parse(name)) for name in ("conv-relu", "conv-lif"))
    assert (relu.steps, relu.synapse, lif.steps, lif.synapse) == (1, False, 5, True)
    assert TASK.adapt(config(coding="rate"), ModelSpec.parse("conv-relu")).steps == 5
