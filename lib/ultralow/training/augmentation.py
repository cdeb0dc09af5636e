"""Move and bend images in training, so that a network does not learn them by heart."""

from __future__ import annotations

import numpy as np

from ultralow.errors import StudyError


def distorted(x: np.ndarray, by: float, rng: np.random.Generator) -> np.ndarray:
    """Square images (rows, pixels), each under a linear map of its own about the centre: the unit matrix plus normal
    numbers of deviation ``by`` (turned, sheared, stretched), bilinear, rounded to the levels that occur in ``x``."""
    side, out = _side(x), np.empty_like(x)
    levels = np.unique(x[:1000])
    step = np.float32(levels[1] - levels[0])
    at = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
    grid = np.stack(np.meshgrid(at, at, indexing="ij")).reshape(2, -1)
    maps = np.eye(2, dtype=np.float32) + rng.normal(0, by, (len(x), 2, 2)).astype(np.float32)
    for start in range(0, len(x), 2000):
        part = slice(start, start + 2000)
        # A frame of two zeros: what comes in is 0, and so is all beyond it.
        images = np.pad(x[part].reshape(-1, side, side), ((0, 0), (2, 2), (2, 2))).reshape(len(x[part]), -1)
        source = np.clip(maps[part] @ grid + np.float32((side - 1) / 2 + 2), 0, side + 2.999)
        corner = source.astype(np.int32)
        down, right = (source - corner).transpose(1, 0, 2)
        place = corner[:, 0] * (side + 4) + corner[:, 1]
        above, beside, below, across = (np.take_along_axis(images, place + move, 1) for move in (0, 1, side + 4, side + 5))
        mixed = (above * (1 - right) + beside * right) * (1 - down) + (below * (1 - right) + across * right) * down
        out[part] = np.floor(mixed / step + np.float32(0.5)) * step
    return out


def shifted(x: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Square images (rows, pixels), each moved by up to ``most`` pixels both ways; what comes in is 0."""
    side = _side(x)
    images, out = x.reshape(-1, side, side), np.zeros((len(x), side, side), x.dtype)
    moves = rng.integers(-most, most + 1, (len(x), 2))
    for down in range(-most, most + 1):
        for right in range(-most, most + 1):
            rows = np.flatnonzero((moves[:, 0] == down) & (moves[:, 1] == right))
            to, source = zip(*((slice(max(d, 0), side + min(d, 0)), slice(max(-d, 0), side + min(-d, 0)))
                               for d in (down, right)))
            out[rows, to[0], to[1]] = images[rows, source[0], source[1]]
    return out.reshape(x.shape)


def _side(x: np.ndarray) -> int:
    """The side of square images (rows, pixels).

    Raises:
        StudyError: the rows are no square images.
    """
    side = round(x.shape[1] ** 0.5)
    if side * side != x.shape[1]:
        raise StudyError(f"a recipe that moves images needs square images, not rows of {x.shape[1]} features")
    return side
