"""Shapes of particles on a surface: heights over a plane, each with its symmetry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_FINE = 400  # points a side, at which an area is counted


@dataclass(frozen=True)
class Shape:
    """A particle: height over its own plane, of u along its axis and v across it, in nm."""

    symmetry: int  # it looks the same after a turn by 360 degrees over this
    reach: float  # nm, the farthest point from its middle
    spacing: float  # nm from middle to middle in a lattice of its kind
    height: Callable

    @cached_property
    def area(self):
        """What it covers, nm2."""
        at = np.linspace(-self.reach, self.reach, _FINE)
        return np.mean(self.height(at, at[:, None]) > 0) * (2 * self.reach) ** 2


def _spheres(places, radius):
    """The upper surface of spheres that lie on the plane."""

    def height(u, v):
        top = np.zeros(np.broadcast(u, v).shape)
        for x, y in places:
            inside = radius**2 - (u - x) ** 2 - (v - y) ** 2
            top = np.maximum(top, np.where(inside > 0, radius + np.sqrt(np.maximum(inside, 0)), 0))
        return top

    return height


def _ring(n, radius, phase=0.0):
    angle = 2 * np.pi * np.arange(n) / n + phase
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def _rod(length, width):
    def height(u, v):
        away = np.hypot(np.maximum(np.abs(u) - (length - width) / 2, 0), v)
        return width * np.sqrt(np.maximum(1 - (2 * away / width) ** 2, 0))

    return height


def _tile(side, top, rim):
    def height(u, v):
        inside = side / 2 - np.maximum(np.abs(u), np.abs(v))
        return top * np.clip(inside / rim, 0, 1)

    return height


#: By name. Lengths in nm, of the size of small proteins.
SHAPES = {
    "rod": Shape(2, 9.0, 7.0, _rod(18.0, 5.0)),
    "tile": Shape(4, 10 / np.sqrt(2), 11.0, _tile(10.0, 3.0, 1.0)),
    "hexagon": Shape(6, 7.5, 15.5, _spheres(_ring(6, 5.0), 2.5)),
    # Three arms, each bent to the same side: its mirror image is another particle.
    "chiral": Shape(3, 8.2, 16.5, _spheres(np.concatenate([_ring(3, 3.2), _ring(3, 6.0, 0.55)]), 2.2)),
}
