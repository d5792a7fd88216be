"""The one object that simulators and data sets return: data, truth and source together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any


@dataclass(frozen=True)
class Sample:
    """Data with its answer key and its pedigree.

    Parameters
    ----------
    data : xarray.DataArray or pandas.DataFrame
        What an instrument would have delivered: image, spectrum image, movie or column table.
    truth : xarray.Dataset, xarray.DataArray, pandas.DataFrame or None
        What is known to be there: planted by a simulator, published with an experiment, or None.
    source : mapping
        Where it comes from. Always holds ``name`` and ``real`` (bool); real sets add ``url``,
        ``sha256``, ``licence`` and ``citation``, simulated ones ``parameters`` and ``random_state``.
    extras : mapping
        Further signals of the same measurement, by name (a HAADF beside a spectrum image, say).
    """

    data: Any
    truth: Any = None
    source: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self):
        kind = "real" if self.source.get("real") else "simulated"
        dims = getattr(self.data, "dims", None)
        shape = " x ".join(f"{n}" for n in self.data.shape)
        what = f"{shape} ({', '.join(map(str, dims))})" if dims else shape
        known = "with truth" if self.truth is not None else "no truth known"
        more = f", extras: {', '.join(self.extras)}" if self.extras else ""
        return f"<Sample {self.source.get('name', '?')!r}: {kind}, {what}, {known}{more}>"


def pedigree(name, random_state, parameters):
    """The source of a simulated sample; a generator leaves no seed that could be told."""
    seed = random_state if isinstance(random_state, Integral) else None
    return {"name": name, "real": False, "random_state": seed, "parameters": parameters}
