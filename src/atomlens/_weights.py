"""Trained networks in files: weights as a plain state dict (.pt), and beside them what they are (.json)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from atomlens._extras import require
from atomlens._replace import replacing


@dataclass(frozen=True)
class Kind:
    """What a pair of files holds, and in which version of its description.

    Attributes
    ----------
    name : str
        Stands in the description, before the version.
    version : int
    what : str
        In words.
    room : str
        Whose ``load_model`` opens it.
    """

    name: str
    version: int
    what: str
    room: str

    @property
    def mark(self):
        """The first entry of the description."""
        return f"{self.name} {self.version}"


COLUMN_FINDER = Kind("atomlens.columns", 1, "an atomlens model that finds columns", "columns")
SHIFT_VAE = Kind("atomlens.shiftvae", 3, "a shift-VAE", "shiftvae")
PARTICLE_NETWORK = Kind(
    "atomlens.particles", 1, "a network that finds particles and their angles", "particles"
)
DEFECT_NETWORK = Kind("atomlens.dynamics", 1, "a network that finds defects in frames", "dynamics")


def save(path, kind, described, network, *, overwrite=False, half=False):
    """Write both files, or neither if one is there already.

    Parameters
    ----------
    path : path-like
        Ends in ``.pt``.
    kind : Kind
    described : dict
        What JSON can hold.
    network : torch.nn.Module
    overwrite : bool
    half : bool
        Whether to store half precision.

    Raises
    ------
    FileExistsError
        If one of the files exists and `overwrite` is False.
    OSError
        If there is no room.
    ValueError
        If the name does not end in ``.pt``.
    """
    import torch

    path = Path(path)
    if path.suffix != ".pt":
        raise ValueError(f"weights are saved as .pt, not {path.suffix!r}: {path.name}")
    about = path.with_suffix(".json")
    text = json.dumps({"format": kind.mark, **described}, indent=1)
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    if half:
        weights = {n: value.half() if value.is_floating_point() else value for n, value in weights.items()}
    nbytes = sum(value.nbytes for value in weights.values())
    with replacing([path, about], overwrite=overwrite, nbytes=nbytes) as (new_path, new_about):
        torch.save(weights, new_path)
        new_about.write_text(text + "\n", encoding="utf-8")


def load(path, kind, build):
    """Read both files.

    Parameters
    ----------
    path : path-like
    kind : Kind
        What is expected.
    build : callable
        From the description to (the model, its network without weights).

    Returns
    -------
    object
        The model; its network has the weights.

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If a file is damaged, or holds something else.

    Notes
    -----
    Nothing is unpickled but tensors (``weights_only=True``), so that a file from elsewhere cannot run code.
    """
    torch = require("torch", reason="opening a network")

    path = Path(path)
    about = path.with_suffix(".json")
    for file in (path, about):
        if not file.exists():
            raise FileNotFoundError(
                f"{file} does not exist: a model is a .pt file with its .json of the same name"
            )
    try:
        described = json.loads(about.read_text(encoding="utf-8"))
        fault = _fault(described["format"], kind)
        if not fault:
            model, network = build(described)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        fault = f"does not describe {kind.what} ({error!r}): take the file that was saved with the .pt"
    if fault:
        raise ValueError(f"{about} {fault}")
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises anything from KeyError to UnpicklingError here
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path} holds no weights of the network that {about.name} describes: the file is damaged, is no "
            f"plain state dict, or belongs to another network ({first}); save the model again"
        ) from error
    return model


def _fault(mark, kind):
    """What is wrong with the first entry of a description; an empty string if nothing is."""
    # Until there was a second kind of network, a finder of columns was marked by the number of its version.
    name, _, version = str(mark).rpartition(" ") if mark != 1 else ("atomlens.columns", "", "1")
    found = next(
        (k for k in (COLUMN_FINDER, SHIFT_VAE, DEFECT_NETWORK, PARTICLE_NETWORK) if k.name == name), None
    )
    if found is None or not version.isdecimal():
        raise ValueError(f"format {mark!r}")
    if found is not kind:
        return f"describes {found.what}, not {kind.what}: open it with `atomlens.{found.room}.load_model`"
    if int(version) > kind.version:
        return f"was written by a newer atomlens (format {mark!r}, here {kind.mark!r}): update atomlens"
    if int(version) < kind.version:
        return f"was written by an older atomlens (format {mark!r}, here {kind.mark!r}): train it again"
    return ""
