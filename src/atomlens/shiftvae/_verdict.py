"""What went wrong in a training, if anything did: a model that learnt nothing looks like any other."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning

from atomlens import _doubts
from atomlens.shiftvae._setup import REACH, narrower_than_the_cell

_MANY = 0.05  # of the crops
LEVEL = 0.01  # of the test of all content latents together


class SeparationWarning(UserWarning):
    """A model was trained, but did not separate anything, or not what was asked for."""


def warn(model, *, edge, replication):
    """Say what `ShiftVAE.fit` has to say of a model; to be called from there.

    Parameters
    ----------
    model : ShiftVAE
        Trained, with its summary.
    edge : float
        Share of the crops at the end of the prior.
    replication : Replication

    Returns
    -------
    list of str
        What was said, and what speaks against the summary.
    """
    said = []
    if model.ended_ == "diverged":
        said.append(
            f"the loss became infinite or NaN after {len(model.history_)} epochs: the last good state is "
            f"kept; lower learning_rate ({model.learning_rate}), or look for outliers in the data"
        )
        _say(said[0], ConvergenceWarning)
    more = list(_about(model, edge, replication))
    for message in more:
        _say(message)
    if replication.why and model.summary_.active.iloc[model.core_.geometry.n_pose :].any():
        more.append(f"whether the content is more than noise cannot be told: {replication.why}")
    return said + more


def _about(model, edge, replication):
    """What makes one doubt that movement and content are told apart."""
    n_pose = model.core_.geometry.n_pose
    pose, content = model.summary_.iloc[:n_pose], model.summary_.iloc[n_pose:]
    if narrower_than_the_cell(model.core_.geometry):
        yield (
            "the windows are smaller than the unit cell of the lattice: what they show depends on where they "
            "were cut, which content then tells; take windows of two cells or more"
        )
    if not content.active.any():
        yield (
            "nothing was separated: every content latent stayed at its prior. Either the crops differ by "
            "their movement and noise only, or a movement is missing: look at `history_` and at "
            "`reconstruct`, and try another shift_scale, larger windows, or more crops"
        )
    elif not replication.why and not content.meaningful.any():
        yield (
            "what the content says may be noise: it does not come back in electrons from which it was not "
            f"learned (p = {content.p_value[content.active].min():.2g}); take more electrons, or a larger "
            "image"
        )
    for name in pose.index[~pose.active]:
        yield f"{name} was not used: the crops do not move that way, or by less than noise hides"
    if edge > _MANY:
        yield (
            f"{edge:.0%} of the crops are moved by more than {REACH} times what the prior expects: raise "
            "shift_scale or rotation_scale, or, for windows anywhere on a crystal, give its lattice"
        )


def _say(message, category=SeparationWarning):
    _doubts.warn([message], category, stacklevel=4)  # whoever called `fit`
