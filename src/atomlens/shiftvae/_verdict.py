"""What went wrong in a training, if anything did: a model that learnt nothing looks like any other."""

from __future__ import annotations

import warnings

from sklearn.exceptions import ConvergenceWarning

from atomlens.shiftvae._setup import REACH

_MANY = 0.05  # of the crops
_PLAIN = 1.8  # nats: the noise that windows share was seen to look like 1.4


class SeparationWarning(UserWarning):
    """A model was trained, but did not separate anything, or not what was asked for."""


def warn(model, *, edge):
    """Say what `ShiftVAE.fit` has to say of a model; to be called from there.

    Parameters
    ----------
    model : ShiftVAE
        Trained, with its summary.
    edge : float
        Share of the crops at the end of the prior.
    """
    if model.ended_ == "diverged":
        _say(
            f"the loss became infinite or NaN after {len(model.history_)} epochs: the last good state is "
            f"kept; lower learning_rate ({model.learning_rate}), or look for outliers in the data",
            ConvergenceWarning,
        )
    n_pose = model.core_.geometry.n_pose
    pose, content = model.summary_.iloc[:n_pose], model.summary_.iloc[n_pose:]
    if not content.active.any():
        _say(
            "nothing was separated: every content latent stayed at its prior. Either the crops differ by "
            "their movement and noise only, or a movement is missing: look at `history_` and at "
            "`reconstruct`, and try another shift_scale, larger windows, or more crops"
        )
    elif not model.outstanding_ and content.kl.max() < _PLAIN:
        _say(
            "what the content says may be noise: no component of the registered crops stands out from "
            "those that follow, and overlapping windows share their noise. Look at `summary` of crops "
            "that were not trained with"
        )
    for name in pose.index[~pose.active]:
        _say(f"{name} was not used: the crops do not move that way, or by less than noise hides")
    if edge > _MANY:
        _say(
            f"{edge:.0%} of the crops are moved by more than {REACH} times what the prior expects: raise "
            "shift_scale or rotation_scale, or, for windows anywhere on a crystal, give its lattice"
        )


def _say(message, category=SeparationWarning):
    warnings.warn(message, category, stacklevel=4)  # whoever called `fit`
