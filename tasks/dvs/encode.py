"""Recordings as tensors of a few steps: kept flat, cut into batches, shifted by chance in training."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from liafseq.tasks.dvs.compression import Compression
from liafseq.tasks.dvs.compression.maps import compress
from liafseq.tasks.dvs.events import Recordings
from liafseq.tasks.settings import digest
from liafseq.tasks.storage.checkpoint import load_tensors, save_tensors

__all__ = ["Batch", "Compressed", "Move", "Moved", "compress_all", "hold_out"]

logger = logging.getLogger(__name__)

_LARGEST = 2**33
"""Values of a whole compressed data set; 32 GiB."""


class Batch(NamedTuple):
    """N recordings; what stands behind a length is zero.

    Attributes:
        frames: (longest T, N, 2, height, width).
        lengths: (N), steps of each, descending; on the CPU.
        label: (N) classes.
    """

    frames: Tensor
    lengths: Tensor
    label: Tensor

    def to(self, device: Any, **options: Any) -> Batch:
        """On another device; the lengths stay, because packing reads them on the CPU."""
        return self._replace(frames=self.frames.to(device, **options), label=self.label.to(device, **options))


class Move(NamedTuple):
    """How a recording is moved: turned and enlarged about the centre, then shifted by whole pixels."""

    down: int
    right: int
    degrees: float = 0.0
    zoom: float = 1.0


@dataclass(frozen=True)
class Compressed:
    """A split of a data set, compressed.

    Attributes:
        frames: the steps of all recordings one after the other, (sum of T, 2, height, width).
        starts: where each recording begins in ``frames``, and the end, (number + 1).
        labels: (number) classes.
    """

    frames: Tensor
    starts: Tensor
    labels: Tensor

    # Not for batches: these need not be of recordings of like length.
    lengths = None

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: Sequence[int]) -> Compressed:
        """Some of the recordings, in the order of ``rows``; the frames are copied."""
        parts = [self.frames[self.starts[row] : self.starts[row + 1]] for row in rows]
        lengths = [0, *(len(part) for part in parts)]
        frames = torch.cat(parts) if parts else self.frames[:0]
        return Compressed(frames, torch.tensor(lengths).cumsum(0), self.labels[list(rows)])

    def batch(self, rows: Sequence[int], moves: Sequence[Move] | None = None) -> Batch:
        """The batch of some rows, longest first; ``moves`` says how each is moved."""
        order = self._longest_first(rows)
        picked = [rows[at] for at in order]
        sizes = self.starts.diff()[picked]
        frames = self.frames.new_zeros(int(sizes.max()), len(rows), *self.frames.shape[1:])
        for column, (row, at) in enumerate(zip(picked, order, strict=True)):
            steps = self.frames[self.starts[row] : self.starts[row + 1]]
            place = frames[: len(steps), column]
            if moves is not None and (moves[at].degrees or moves[at].zoom != 1.0):
                steps = _turned(steps, moves[at])
            if moves is None or (moves[at].down, moves[at].right) == (0, 0):
                place.copy_(steps)
            else:
                _shifted(steps, place, moves[at].down, moves[at].right)
        return Batch(frames, sizes, self.labels[picked])

    def places(self, rows: Sequence[int]) -> list[int]:
        """Where in their batch each of some rows stands."""
        order = self._longest_first(rows)
        return sorted(range(len(order)), key=order.__getitem__)

    def _longest_first(self, rows: Sequence[int]) -> list[int]:
        steps = self.starts.diff()
        return sorted(range(len(rows)), key=lambda at: -int(steps[rows[at]]))


@dataclass(frozen=True)
class Moved:
    """Recordings that are moved by chance in training.

    Attributes:
        data: the recordings.
        shift: most pixels by which one is moved in each direction.
        turn: most degrees by which it is turned.
        zoom: most by which it is enlarged, or made smaller, as a part of its size.
    """

    data: Compressed
    shift: int = 0
    turn: float = 0.0
    zoom: float = 0.0

    lengths = None  # as of the data

    def __len__(self) -> int:
        return len(self.data)

    def batch(self, rows: Sequence[int]) -> Batch:
        """The batch of some rows, unmoved."""
        return self.data.batch(rows)

    def change(self, chance: random.Random) -> Move | None:
        """How one recording is moved; None where none is."""
        far = self.shift
        if not (far or self.turn or self.zoom):
            return None
        down, right = chance.randint(-far, far), chance.randint(-far, far)
        # Enlarging by a part is as likely as making smaller by it.
        zoom = (1 + self.zoom) ** chance.uniform(-1, 1)
        return Move(down, right, chance.uniform(-self.turn, self.turn), zoom)

    def changed(self, rows: Sequence[int], changes: Sequence[Move]) -> Batch:
        """The batch of some rows, each moved."""
        return self.data.batch(rows, changes)


def _shifted(source: Tensor, target: Tensor, down: int, right: int) -> None:
    """Copies maps, moved; what leaves the sensor is lost, what enters is empty."""
    height, width = source.shape[-2:]
    if abs(down) >= height or abs(right) >= width:
        return
    rows, columns = height - abs(down), width - abs(right)
    target[..., max(0, down) : max(0, down) + rows, max(0, right) : max(0, right) + columns] = source[
        ..., max(0, -down) : max(0, -down) + rows, max(0, -right) : max(0, -right) + columns
    ]


def _turned(steps: Tensor, move: Move) -> Tensor:
    """Maps turned and enlarged, bilinear; what enters is empty."""
    height, width = steps.shape[-2:]
    angle = math.radians(move.degrees)
    across, along = math.cos(angle) / move.zoom, math.sin(angle) / move.zoom
    # Of coordinates from -1 to 1 on both sides, so a turn must know the sides' ratio.
    ratio = height / width
    matrix = steps.new_tensor([[[across, -along * ratio, 0.0], [along / ratio, across, 0.0]]])
    whole = steps.flatten(0, 1)[None]
    grid = affine_grid(matrix, list(whole.shape), align_corners=False)
    return grid_sample(whole, grid, align_corners=False)[0].view_as(steps)


def compress_all(
    recordings: Recordings,
    compression: Compression,
    cache: Path | None = None,
) -> Compressed:
    """Compresses every recording of a split, or takes them from the cache.

    Args:
        recordings: the split. Its ``fingerprint``, a text that is another for other content, names
            the cache file together with the compression; without one nothing is cached.
        compression: how.
        cache: folder; None keeps nothing. A damaged file is made again.

    Raises:
        ValueError: a damaged recording, or more than 2**33 values in all.
    """
    mark = getattr(recordings, "fingerprint", None)
    path = None
    if cache is not None and mark is not None:
        name = digest({"recordings": mark, "compression": compression.key()})
        path = cache / f"{recordings.name}-{compression.key()}-{name}.safetensors"
        found = _cached(path, len(recordings))
        if found is not None:
            return found
    parts, lengths, total = [], [0], 0
    for index in range(len(recordings)):
        try:
            maps = compress(recordings[index], recordings.sensor, compression)
        except ValueError as error:
            title = recordings.title(index)
            raise ValueError(str(error) if title in str(error) else f"{title}: {error}") from error
        total += maps.size
        if total > _LARGEST:
            raise ValueError(
                f"{recordings.name}: more than {_LARGEST} values after {index + 1} of {len(recordings)} "
                "recordings; use fewer steps or a larger pool"
            )
        parts.append(torch.from_numpy(maps))
        lengths.append(len(maps))
    labels = torch.from_numpy(np.asarray(recordings.labels, np.int64).copy())
    if not parts:
        raise ValueError(f"{recordings.name}: no recordings")
    made = Compressed(torch.cat(parts), torch.tensor(lengths).cumsum(0), labels)
    if path is not None:
        tensors = {"frames": made.frames, "starts": made.starts, "labels": made.labels}
        try:
            save_tensors(path, tensors, {"recordings": mark})
        except OSError as error:
            logger.warning("%s: not kept for the next time: %s", path, error.strerror or error)
    return made


def hold_out(data: Compressed, fraction: float, seed: int) -> tuple[Compressed, Compressed]:
    """Training and validation part: of each class the same fraction, at least one recording in all.

    Raises:
        ValueError: a part would be empty.
    """
    chance = random.Random(f"hold out {seed}")
    held: list[int] = []
    labels = data.labels.tolist()
    for label in sorted(set(labels)):
        rows = [row for row, own in enumerate(labels) if own == label]
        chance.shuffle(rows)
        held += rows[: round(fraction * len(rows))]
    if not held and len(data):
        held = [chance.randrange(len(data))]
    rest = sorted(set(range(len(data))) - set(held))
    if not rest or not held:
        raise ValueError(
            f"{len(data)} recordings cannot be split into training and a validation part of {fraction}"
        )
    return data.select(rest), data.select(sorted(held))


def _cached(path: Path, count: int) -> Compressed | None:
    if not path.is_file():
        return None
    try:
        tensors, _ = load_tensors(path)
        found = Compressed(tensors["frames"], tensors["starts"], tensors["labels"])
        good = (
            found.frames.dtype == torch.float32
            and found.frames.ndim == 4
            and found.labels.shape == (count,)
            and found.starts.shape == (count + 1,)
            and bool((found.starts.diff() > 0).all())
            and found.starts[[0, -1]].tolist() == [0, len(found.frames)]
        )
    except (ValueError, KeyError) as error:
        logger.warning("%s: damaged, made again: %s", path, error)
        return None
    if not good:
        logger.warning("%s: damaged, made again", path)
        return None
    return found
