"""The library itself: defects side by side, grouped, kept in a folder, and asked what is new."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from atomlens._paths import user_path
from atomlens._replace import replacing
from atomlens._types import DataFrame, Series, ndarray
from atomlens.library.extract import Defect
from atomlens.library.features import aligned, invariants
from atomlens.library.host import Host, Placed

__all__ = ["Library", "Seen", "open_library"]

_FILES = ("library.json", "defects.csv", "atoms.csv", "crops.npz", "structures.extxyz")
_FORMAT = 1
_COMPONENTS = 8  # principal components of crops: more hold the noise of single pictures
_METHODS = ("bonds", "kmeans", "gmm", "hdbscan")


@dataclass(frozen=True)
class Seen:
    """Whether a defect was seen before.

    Attributes
    ----------
    nearest : str
        Name of the member that looks most alike.
    formula : str
        Its formula.
    distance : float
        To it, in units of the typical distance between a member and its nearest.
    p_value : float
        Share of members at least as lonely as this defect: small for what is new. Never below
        1 / (members + 1).
    """

    nearest: str
    formula: str
    distance: float
    p_value: float


class Library:
    """Defects side by side.

    Parameters
    ----------
    defects : iterable of Defect

    Raises
    ------
    TypeError
        If something else is among them.
    ValueError
        If two have the same name.

    Examples
    --------
    >>> from atomlens import datasets, library
    >>> shelf = Library(library.extract(datasets.load("graphene_si_phantom").data))
    >>> shelf
    <Library: 2 defects, Si1C4 1, Si1C3 1>
    """

    def __init__(self, defects: Iterable[Defect] = ()) -> None:
        self._defects: dict[str, Defect] = {}
        self.add(*defects)

    def __repr__(self):
        counts = self.table["formula"].value_counts() if len(self) else {}
        return f"<Library: {len(self)} defects" + "".join(f", {k} {n}" for k, n in counts.items()) + ">"

    def __len__(self) -> int:
        return len(self._defects)

    def __iter__(self) -> Iterator[Defect]:
        return iter(self._defects.values())

    def __getitem__(self, name: str) -> Defect:
        if name not in self._defects:
            raise KeyError(f"{name!r} is not in the library; its names are in .table")
        return self._defects[name]

    def add(self, *defects: Defect) -> Library:
        """Add defects; all of them or, after an error, none. Returns the library itself.

        Raises
        ------
        TypeError, ValueError
            As when a library is made.
        """
        known = set(self._defects)
        for defect in defects:
            if not isinstance(defect, Defect):
                raise TypeError(
                    f"a library holds what `library.extract` returns, not a {type(defect).__name__}"
                )
            if defect.name in known:
                raise ValueError(f"{defect.name!r} is in the library already: give the image another name")
            known.add(defect.name)
        self._defects |= {defect.name: defect for defect in defects}
        return self

    @property
    def table(self) -> DataFrame:
        """One row a defect: ``name, formula, guests, bonded, bond_nm, agreement, doubts``.

        ``guests`` and ``bonded`` are numbers of atoms, ``bond_nm`` the mean distance of bonded atoms from
        the nearest guest, ``doubts`` how many there are.
        """
        rows = [
            {
                "name": d.name,
                "formula": d.formula,
                "guests": len(d.guests),
                "bonded": int(d.bonded["present"].sum()),
                "bond_nm": float(np.mean(d.bonds)) if len(d.bonds) else np.nan,
                "agreement": d.placed.agreement,
                "doubts": len(d.doubts),
            }
            for d in self
        ]
        columns = ["name", "formula", "guests", "bonded", "bond_nm", "agreement", "doubts"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def crops(self) -> ndarray:
        """Pictures of all defects in the frame of their host, shape (N, 60, 60)."""
        return np.array([d.crop for d in self]).reshape(
            len(self), *(next(iter(self)).crop.shape if len(self) else (60, 60))
        )

    def group(self, method: str = "bonds", n_groups: int | None = None, *, random_state: int = 0) -> Series:
        """Group the defects without labels.

        Parameters
        ----------
        method : {"bonds", "kmeans", "gmm", "hdbscan"}
            ``"bonds"`` groups by formula, which is counted in each image by itself. The others group the
            pictures, turned and mirrored alike, by their principal components.
        n_groups : int, optional
            For ``"kmeans"`` and ``"gmm"``. A mixture without it has as many as its Bayesian information
            criterion prefers, up to 8.
        random_state : int

        Returns
        -------
        Series of int
            Group of every defect by its name, 0 for the largest; -1 for what HDBSCAN leaves out.

        Raises
        ------
        ValueError
            If there is no such method, it needs `n_groups`, or there are fewer defects than groups.
        """
        if method not in _METHODS:
            raise ValueError(f"method must be one of {', '.join(_METHODS)}, got {method!r}")
        if n_groups is not None and not 1 <= n_groups <= len(self):
            raise ValueError(f"{len(self)} defects cannot make {n_groups} groups")
        names = list(self._defects)
        if method == "bonds":
            return _by_size(pd.factorize(self.table["formula"])[0], names)
        if len(self) < 3:
            raise ValueError(f"{len(self)} defects are too few to group pictures: 3 at least")
        turns = round(360 / next(iter(self)).placed.host.turns())
        z = _components(aligned(self.crops, turns).reshape(len(self), -1))
        return _by_size(_grouped(z, method, n_groups, random_state), names)

    def seen(self, defect: Defect) -> Seen:
        """Ask whether a defect was seen before.

        Parameters
        ----------
        defect : Defect
            Not a member itself.

        Returns
        -------
        Seen

        Raises
        ------
        ValueError
            If it is a member, or there are fewer than 10.

        Notes
        -----
        A conformal test: everyone's distance to their nearest neighbour is measured among members and
        newcomer together, where all are treated alike. A newcomer of the members' kind then has a p-value
        below alpha in a share alpha of all cases, whatever pictures look like (Vovk, Gammerman and Shafer,
        Algorithmic Learning in a Random World, 2005). It asks whether a defect is unlike all members, so a
        rare member protects its like.
        """
        if any(defect is member for member in self):
            raise ValueError(f"{defect.name} is a member: ask the library without it")
        if len(self) < 10:
            raise ValueError(f"{len(self)} members are too few to tell what is usual: 10 at least")
        x = np.log1p(invariants([*self.crops, defect.crop]))
        z = _components(x)
        away = np.linalg.norm(z[:, None] - z[None], axis=2)
        np.fill_diagonal(away, np.inf)
        lonely, closest = away.min(axis=1), int(away[-1].argmin())
        nearest = list(self)[closest]
        return Seen(
            nearest.name,
            nearest.formula,
            float(lonely[-1] / np.median(lonely[:-1])),
            float((lonely >= lonely[-1]).mean()),
        )

    def save(self, folder: str | PathLike, *, overwrite: bool = False) -> Path:
        """Write the library into a folder: pictures, tables, structures, and where all comes from.

        ``crops.npz`` holds the pictures; ``defects.csv`` the table; ``atoms.csv`` positions in the images;
        ``structures.extxyz`` periodic structures of 72 sites for any program that reads them; and
        ``library.json`` the rest. `open_library` reads it back.

        Parameters
        ----------
        folder : path-like
            Is made if it does not exist.
        overwrite : bool
            Whether a library that is there may be replaced.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        FileExistsError
            If there is a library already and `overwrite` is False.
        ValueError
            If the library is empty.
        """
        import ase.io

        if not len(self):
            raise ValueError("the library is empty: there is nothing to save")
        folder = user_path(folder)
        folder.mkdir(exist_ok=True)
        with replacing([folder / name for name in _FILES], overwrite=overwrite) as (
            main,
            table,
            atoms,
            crops,
            xyz,
        ):
            main.write_text(json.dumps(self._described(), indent=1), encoding="utf-8")
            self.table.to_csv(table, index=False)
            pd.concat([d.atoms.assign(name=d.name) for d in self]).to_csv(atoms, index=False)
            np.savez_compressed(crops, names=np.array(list(self._defects)), crops=self.crops)
            structures = []
            for defect in self:
                structure = defect.structure()
                structure.info |= {"name": defect.name, "formula": defect.formula}
                structures.append(structure)
            ase.io.write(xyz, structures, format="extxyz")
        return folder

    def _described(self):
        import atomlens

        return {
            "format": _FORMAT,
            "atomlens": atomlens.__version__,
            "defects": [
                {
                    "name": d.name,
                    "guest": d.guest,
                    "guests": d.guests.tolist(),
                    "bonded": d.bonded.to_dict("list"),
                    "replaced": d.replaced.tolist(),
                    "doubts": list(d.doubts),
                    "placed": {
                        "centre": d.placed.centre.tolist(),
                        "basis": d.placed.basis.tolist(),
                        "origin": d.placed.origin.tolist(),
                        "pixel_size": d.placed.pixel_size,
                        "contrast": d.placed.contrast,
                        "agreement": d.placed.agreement,
                    },
                    "host": {
                        "cell": d.placed.host.cell.tolist(),
                        "sites": d.placed.host.sites.tolist(),
                        "elements": list(d.placed.host.elements),
                    },
                }
                for d in self
            ],
        }


def open_library(folder: str | PathLike) -> Library:
    """Open what `Library.save` wrote.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    Library

    Raises
    ------
    FileNotFoundError
        If there is no library in the folder.
    ValueError
        If it is damaged, or of a later format.

    Examples
    --------
    >>> import tempfile
    >>> from atomlens import datasets, library
    >>> shelf = Library(library.extract(datasets.load("graphene_si_phantom").data))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     open_library(shelf.save(folder))
    <Library: 2 defects, Si1C4 1, Si1C3 1>
    """
    folder = user_path(folder)
    missing = [name for name in _FILES[:4] if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} holds no library: {missing[0]} is missing")
    try:
        described = json.loads((folder / _FILES[0]).read_text(encoding="utf-8"))
        if described["format"] > _FORMAT:
            raise ValueError(
                f"{folder} was written by a later atomlens ({described['atomlens']}): update this one"
            )
        atoms = dict(list(pd.read_csv(folder / _FILES[2], dtype={"name": str}).groupby("name", sort=False)))
        with np.load(folder / _FILES[3], allow_pickle=False) as file:
            crops = dict(zip(file["names"].tolist(), file["crops"], strict=True))
        return Library(_read(record, atoms, crops) for record in described["defects"])
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, EOFError, OSError) as error:
        raise ValueError(f"the library in {folder} is damaged ({error}): take it from a backup") from error


def _read(record, atoms, crops):
    host = record["host"]
    host = Host(np.array(host["cell"]), np.array(host["sites"]), tuple(host["elements"]))
    placed = record["placed"]
    return Defect(
        name=record["name"],
        guest=record["guest"],
        guests=np.array(record["guests"]).reshape(-1, 2),
        bonded=pd.DataFrame(record["bonded"]),
        replaced=np.array(record["replaced"]).reshape(-1, 2),
        atoms=atoms[record["name"]].drop(columns="name").reset_index(drop=True),
        crop=crops[record["name"]],
        placed=Placed(
            host,
            np.array(placed["centre"]),
            np.array(placed["basis"]),
            np.array(placed["origin"]),
            float(placed["pixel_size"]),
            float(placed["contrast"]),
            float(placed["agreement"]),
        ),
        doubts=list(record["doubts"]),
    )


def _components(x):
    """Principal components, the noise of single pictures left out."""
    from sklearn.decomposition import PCA

    n = min(_COMPONENTS, len(x) - 1, x.shape[1])
    return PCA(n, svd_solver="full").fit_transform(x)


def _grouped(z, method, n_groups, random_state):
    from sklearn.cluster import HDBSCAN, KMeans
    from sklearn.mixture import GaussianMixture

    if method == "hdbscan":
        return HDBSCAN(min_cluster_size=min(5, len(z)), copy=True).fit_predict(z)
    if method == "kmeans":
        if n_groups is None:
            raise ValueError("k-means must be told n_groups; a mixture (method='gmm') chooses by itself")
        return KMeans(n_groups, n_init=20, random_state=random_state).fit_predict(z)
    numbers = [n_groups] if n_groups is not None else range(1, min(8, len(z) // 2) + 1)
    models = [
        GaussianMixture(k, n_init=5, reg_covar=1e-3 * z.var(), random_state=random_state).fit(z)
        for k in numbers
    ]
    return min(models, key=lambda model: model.bic(z)).predict(z)


def _by_size(labels, names):
    """Labels renumbered by the size of their groups, -1 kept."""
    labels = np.asarray(labels)
    order = list(pd.Series(labels[labels >= 0]).value_counts().index)
    number = {old: new for new, old in enumerate(order)} | {-1: -1}
    return pd.Series([number[k] for k in labels], index=pd.Index(names, name="name"), name="group", dtype=int)
