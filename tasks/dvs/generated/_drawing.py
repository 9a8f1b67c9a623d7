"""Soft-edged limbs, drawn into a video by a compiled loop."""

from __future__ import annotations

import math

from liafseq.tasks.dvs.camera.compiled import compiled

__all__ = ["draw"]


@compiled
def draw(limbs, soft, video):
    """Draws limbs over one another; where they overlap, the brighter one is seen.

    Args:
        limbs: x and y of one end, x and y of the other, radius (all in pixels, the middle of the first
            pixel is 0) and brightness; float64 (frames, limbs, 6).
        soft: over how many pixels an edge fades.
        video: float64 (frames, height, width); changed.
    """
    frames, height, width = video.shape
    for frame in range(frames):
        for limb in range(limbs.shape[1]):
            x0, y0, x1, y1, radius, bright = limbs[frame, limb]
            reach = radius + 0.5 * soft
            dx, dy = x1 - x0, y1 - y0
            scale = dx * dx + dy * dy
            scale = 1.0 / scale if scale > 0.0 else 0.0
            outside, inside = reach * reach, max(radius - 0.5 * soft, 0.0) ** 2
            left = max(0, math.floor(min(x0, x1) - reach))
            right = min(width - 1, math.ceil(max(x0, x1) + reach))
            top = max(0, math.floor(min(y0, y1) - reach))
            bottom = min(height - 1, math.ceil(max(y0, y1) + reach))
            for y in range(top, bottom + 1):
                for x in range(left, right + 1):
                    # the point of the limb's axis that is nearest
                    along = min(max(((x - x0) * dx + (y - y0) * dy) * scale, 0.0), 1.0)
                    aside, above = x - x0 - along * dx, y - y0 - along * dy
                    away = aside * aside + above * above
                    if away >= outside:
                        continue
                    value = bright
                    if away > inside:
                        value *= min(0.5 + (radius - math.sqrt(away)) / soft, 1.0)
                    if value > video[frame, y, x]:
                        video[frame, y, x] = value
