"""A trained model, opened again."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atomlens import _weights
from atomlens._types import Path
from atomlens.shiftvae._setup import STATE
from atomlens.shiftvae.estimator import ShiftVAE

__all__ = ["load_model"]


def load_model(path: str | Path) -> ShiftVAE:
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
        If a file is damaged, or holds something else.

    Notes
    -----
    Nothing is unpickled but tensors (``weights_only=True``), so that a file from elsewhere cannot run code.

    Examples
    --------
    >>> load_model("nowhere.pt")
    Traceback (most recent call last):
    FileNotFoundError: nowhere.pt does not exist: a model is a .pt file with its .json of the same name
    """
    return _weights.load(path, _weights.SHIFT_VAE, _described)


def _described(about):
    """A model as it was described, and its networks."""
    model = ShiftVAE(**about["parameters"])
    shape = tuple(about["shape"])
    crops = np.zeros((model.batch_size, *(shape[1:] if about["signal"] else shape)), np.float32)
    model._assemble(crops, **{name: about[name] for name in STATE})
    model.ended_, model.outstanding_ = about["ended"], about["outstanding"]
    model.doubts_ = about.get("doubts", [])  # files of before there were any
    model.history_ = pd.DataFrame(about["history"])
    model.summary_ = pd.DataFrame(about["summary"], index=model.latent_names_)
    return model, model.core_.networks
