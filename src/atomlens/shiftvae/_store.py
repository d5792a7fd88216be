"""Models in files: the weights as a plain state dict, and beside them what they are (json)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["load_model", "save"]

_FORMAT = "atomlens.shiftvae 3"
_STATE = ("offset", "range", "noise")


def save(model, path, *, overwrite):
    """As `ShiftVAE.save`."""
    import torch

    path = Path(path)
    if path.suffix != ".pt":
        raise ValueError(f"weights are saved as .pt, not {path.suffix!r}: {path.name}")
    about = path.with_suffix(".json")
    for file in (path, about):
        if file.exists() and not overwrite:
            raise FileExistsError(f"{file} exists already: choose another name, or pass overwrite=True")
    core, parameters = model.core_, model.get_params()
    # A function cannot be stored as data; it served the training, and the trained model does not need it.
    del parameters["penalty"]
    if parameters["lattice"] is not None:
        lattice = parameters["lattice"]
        parameters["lattice"] = np.asarray(getattr(lattice, "basis", lattice)).tolist()
    described = {
        "format": _FORMAT,
        "parameters": parameters,
        "shape": core.geometry.shape,
        "signal": model.signal_,
        "ended": model.ended_,
        "outstanding": model.outstanding_,
        **{name: float(getattr(core, name)) for name in _STATE},
        "history": model.history_.to_dict("list"),
        "summary": model.summary_.to_dict("list"),
    }
    weights = {name: value.detach().cpu() for name, value in core.networks.state_dict().items()}
    torch.save(weights, path)
    about.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def load_model(path):
    """Load a model saved by `ShiftVAE.save`.

    Parameters
    ----------
    path : path-like
        A ``.pt`` file; its ``.json`` must lie beside it.

    Returns
    -------
    ShiftVAE

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    ValueError
        If a file is damaged, or describes something else.

    Notes
    -----
    Nothing is unpickled but tensors (``weights_only=True``), so that a file from elsewhere cannot run code.

    Examples
    --------
    >>> load_model("nowhere.pt")
    Traceback (most recent call last):
    FileNotFoundError: nowhere.pt does not exist: a model is a .pt file with its .json of the same name
    """
    import torch

    from atomlens.shiftvae.estimator import ShiftVAE

    path = Path(path)
    about = path.with_suffix(".json")
    for file in (path, about):
        if not file.exists():
            raise FileNotFoundError(
                f"{file} does not exist: a model is a .pt file with its .json of the same name"
            )
    try:
        described = json.loads(about.read_text(encoding="utf-8"))
        if described["format"] != _FORMAT:
            raise ValueError(f"format {described['format']!r}")
        model = ShiftVAE(**described["parameters"])
        shape = tuple(described["shape"])
        crops = np.zeros((model.batch_size, *(shape[1:] if described["signal"] else shape)), np.float32)
        model._assemble(crops, **{name: described[name] for name in _STATE})
        model.ended_, model.outstanding_ = described["ended"], described["outstanding"]
        model.history_ = pd.DataFrame(described["history"])
        model.summary_ = pd.DataFrame(described["summary"], index=model.latent_names_)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{about} does not describe a shift-VAE ({error}): save it with ShiftVAE.save"
        ) from error
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        model.core_.networks.load_state_dict(weights)
    except Exception as error:  # torch raises anything from KeyError to UnpicklingError here
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path} holds no weights of this model: the file is damaged, is no plain state dict, or belongs "
            f"to another one ({first})"
        ) from error
    return model
