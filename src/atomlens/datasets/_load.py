"""`load`, `list` and `credit`: named data with truth and pedigree."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from zlib import crc32

from atomlens._resources import resource
from atomlens._sample import Sample
from atomlens._types import DataFrame, Path
from atomlens.datasets import _collections, _fetch, _images, _movies, _spectra
from atomlens.datasets._registry import PHANTOMS, entry_of, registry

_LOADERS = {
    loader.__name__: loader
    for loader in (
        _spectra.cuzn_eels,
        _spectra.gaas_eels,
        _spectra.lsmo_sto_eels,
        _spectra.mn3o4_eels_simulated,
        _images.bfo_columns,
        _images.cdte_twin,
        _images.cu2o_stm,
        _images.graphene_atoms,
        _images.image,
        _images.mos2_haadf,
        _images.afm_movie,
        _images.pto_sro_haadf,
        _images.ws2_wsse,
        _movies.ws2_movie,
        _collections.graphene_si,
        _collections.pt_single_atoms,
    )
}
_COLUMNS = ["kind", "shape", "size_mb", "licence", "citation", "real", "status", "lesson", "phantom", "about"]


def load(
    name: str, *, random_state: int = 0, or_phantom: bool = False, or_twin: bool | None = None
) -> Sample:
    """Load a named data set, real or simulated.

    A set that is not simulated here is looked for in the mirror (``ATOMLENS_DATA_DIR``), then in the cache
    (``ATOMLENS_CACHE_DIR`` or the user's cache folder), then downloaded; its SHA-256 is checked in every
    case.

    Parameters
    ----------
    name : str
        A name of :func:`list`, or a member of a collection, such as ``"pt_single_atoms/021"``.
    random_state : int
        Seed of a set that atomlens simulates; others have none.
    or_phantom : bool
        If a real set cannot be had here, say so in a sentence and return its phantom, so that a lesson runs
        on any machine.
    or_twin : bool, optional
        The old name of `or_phantom`. Old names of simulated sets, which ended in ``_twin``, load with a note.

    Returns
    -------
    atomlens.Sample
        ``data``, ``truth`` (None where nothing is known), ``source`` (licence, citation, files, notes on
        known traps) and ``extras`` (further signals). The data of a collection is the table of its members.

    Raises
    ------
    ValueError
        If there is no such set; the message names the nearest ones.
    DatasetUnavailableError
        If a set is not on this machine and cannot be downloaded; the message names what to use instead.
    ChecksumError
        If a file is not the registered one.
    PermissionError
        If downloads cannot be kept; the message names the folder and ``ATOMLENS_CACHE_DIR``.

    Examples
    --------
    >>> from atomlens import datasets
    >>> sample = datasets.load("eels_phantom", random_state=1)
    >>> sample.source["real"], sample.truth is None
    (False, False)
    >>> datasets.load("graphene_si_library").data.loc[0, "name"]
    'graphene_si_library/Si1C3/2'
    """
    if or_twin is not None:
        warnings.warn("or_twin is called or_phantom now: a twin is a crystal", FutureWarning, stacklevel=2)
        or_phantom = or_twin
    if (new := _new_name(name)) != name:
        warnings.warn(f"{name} is called {new} now: a twin is a crystal", FutureWarning, stacklevel=2)
        name = new
    if name in PHANTOMS:
        return _simulate(name, random_state)
    entry = entry_of(name)
    if random_state != 0:
        raise ValueError(f"{name} is not simulated here, so it takes no random_state: leave it out")
    if entry.members:
        return Sample(_collections.index(entry), None, _source(entry))
    try:
        data, truth, extras = _LOADERS[entry.loader](entry, partial(_fetch.fetch, entry))
    except _fetch.DatasetUnavailableError as problem:
        if not (or_phantom and entry.phantom):
            raise
        print(f"{problem}; that phantom is used here.")  # noqa: T201 - asked for: a lesson's reader must see it
        member = name.partition("/")[2]
        return _simulate(
            entry.phantom, crc32(member.encode()) if member else 0
        )  # members differ, phantoms too
    return Sample(data, truth, _source(entry), extras)


def _new_name(name):
    """Names of simulated sets ended in "_twin" once."""
    new = str(name).replace("_twin", "_phantom")
    return new if new in PHANTOMS else name


def list() -> DataFrame:
    """List all data sets.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``name``; columns ``kind``, ``shape``, ``size_mb`` (of the files), ``licence``,
        ``citation``, ``real`` (False: simulated), ``status`` ("here", "to download", or "mirror only"),
        ``lesson``, ``phantom`` (the simulated set to use offline) and ``about``.

    Examples
    --------
    >>> from atomlens import datasets
    >>> datasets.list().loc["eels_phantom", ["kind", "status"]].tolist()
    ['spectrum_image', 'here']
    """
    import pandas as pd

    rows = {
        name: _facts(phantom, 0, "MIT", "atomlens", False, "here", "") for name, phantom in PHANTOMS.items()
    }
    rows |= {name: _row(entry) for name, entry in registry().items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=_COLUMNS).rename_axis("name")


def credit(sample: Sample) -> str:
    """Return who is to be cited for a sample, and under which licence it stands.

    Parameters
    ----------
    sample : atomlens.Sample

    Returns
    -------
    str
        Two to four lines to print beside the data.

    Examples
    --------
    >>> from atomlens import datasets
    >>> print(datasets.credit(datasets.load("eels_phantom")))
    eels_phantom: simulated by atomlens (core-loss EELS of oxide grains, with thickness and spikes)
    Licence: MIT
    """
    source = sample.source
    name = source.get("name", "this sample")
    if "citation" not in source:
        what = f" ({source['description']})" if source.get("description") else ""
        return f"{name}: simulated by atomlens{what}\nLicence: MIT"
    lines = [
        f"{name}: {source['description']}",
        f"Cite: {source['citation']}",
        f"Licence: {source['licence']}",
    ]
    if source["licence"].startswith("none"):
        lines.append("Without a licence the data may not be passed on: link to its source instead")
    return "\n".join(lines)


def sample_path(name: str) -> Path:
    """Return the path of a small simulated file that ships with atomlens.

    Parameters
    ----------
    name : {"spectrum_image.hspy", "image.tif", "curves.npz"}

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        If there is no such file.

    Examples
    --------
    >>> from atomlens import datasets
    >>> datasets.sample_path("image.tif").suffix
    '.tif'
    """
    names = sorted(path.name for path in resource("samples").iterdir() if path.is_file())
    if name not in names:
        raise ValueError(f"there is no sample file {name!r}: choose one of {', '.join(names)}")
    return resource("samples", name)


def _simulate(name, random_state):
    phantom = PHANTOMS[name]
    sample = phantom.simulate(random_state)
    about = {"name": name, "real": False, "description": phantom.description}
    return replace(sample, source={**sample.source, **about})


def _source(entry):
    files = {file.name: {"url": file.url, "sha256": file.sha256} for file in entry.files.values()}
    first = next(iter(files.values()))
    return {
        "name": entry.name,
        "real": entry.real,
        "description": entry.description,
        "licence": entry.licence,
        "citation": entry.citation,
        "calibration": entry.calibration,
        "truth": entry.truth,
        "notes": [*entry.notes],
        **first,
        "files": files,
    }


def _row(entry):
    here = all(_fetch.local(file) for file in entry.files.values())
    away = "mirror only" if entry.obtain else "to download"
    size, status = sum(file.bytes for file in entry.files.values()), "here" if here else away
    return _facts(entry, size, entry.licence, entry.citation, entry.real, status, entry.phantom or "")


def _facts(entry, size, licence, citation, real, status, phantom):
    shape = " x ".join(map(str, entry.shape))
    facts = (entry.kind, shape, round(size / 1e6, 2), licence, citation, real, status, entry.lesson, phantom)
    return dict(zip(_COLUMNS, (*facts, entry.description), strict=True))
