"""The estimator: what varies in crops besides where they were cut."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from atomlens import _weights
from atomlens._extras import require
from atomlens._threads import one_torch_thread
from atomlens._types import ArrayLike, DataFrame, Lattice, Path, ndarray
from atomlens.shiftvae import _verdict
from atomlens.shiftvae._crops import Crops
from atomlens.shiftvae._pictures import Pictures
from atomlens.shiftvae._setup import REACH, STATE, check_parameters, geometry_of, pose_names

__all__ = ["ShiftVAE"]

_UNITS = {"canonical": 64, "coordinate": 128}
_ACTIVE = 0.2  # nats: in a few hundred crops, noise alone can look like so much


class ShiftVAE(Pictures, TransformerMixin, BaseEstimator):
    """Variational autoencoder that tells where a crop was cut from what it shows.

    An encoder turns each crop into a *pose* (shift, rotation) and a few numbers of *content*; a decoder draws
    the crop from the content and moves it as the pose says. What a movement explains does not have to be
    explained by the content, which is left with what differs between crops otherwise.

    Parameters
    ----------
    latent_dim : int
        Numbers of content.
    invariance : {"shift", None, "rotation", "shift+rotation"}
        Movements that are taken out. None is an ordinary variational autoencoder.
    shift_scale : float
        Standard deviation of the prior of the shift, in half-widths of the window. About 0.6 times the
        largest shift. On a crystal, 2.5 times this should be less than half a period, or crops may be moved
        to the next column; for windows anywhere on it, give `lattice` instead.
    lattice : Lattice or array_like of shape (2, 2), or float, optional
        For windows cut anywhere on a crystal: its lattice vectors in pixels, one a row, as (x, y); the period
        for signals. The shift is then a phase in the unit cell, uniform and without ends, and `shift_scale`
        is not used. A shift with ends is the wrong thing there: at the border of the cell an encoder has to
        jump, which a network cannot, and content is spent on mending that.
    rotation_scale : float
        Standard deviation of the prior of the rotation, in degrees.
    decoder : {"canonical", "coordinate"}
        `canonical` decodes one frame a crop, larger than the window, and samples it where the pose says.
        `coordinate` is that of the paper: a network that runs once for every pixel, at moved coordinates.
    decoder_units : int, optional
        Units of its two hidden layers; 64 for `canonical` and 128 for `coordinate`, if not given.
    likelihood : {"gaussian", "bernoulli"}
        Bernoulli wants values from 0 to 1.
    noise_sd : float, optional
        Standard deviation of the Gaussian likelihood, in the units of the data; learnt if it is not given.
    beta : float
        Weight of the divergence from the prior (beta-VAE); 1 is the evidence lower bound.
    smoothness : float
        Weight, in nats a crop, of the mean squared difference between neighbouring values of the standardised
        content maps. Needs the windows of an image.
    batch_size : int
        Crops a step.
    learning_rate : float
    max_epochs : int
        Training ends before if the loss stands still; the learning rate falls to nothing in its last part.
    progress : bool
        Show a bar.
    random_state : int

    Attributes
    ----------
    history_ : DataFrame
        One row an epoch: ``loss`` and its parts ``reconstruction``, ``kl_pose``, ``kl_content``, ``penalty``
        (nats a crop), ``noise_sd`` (units of the data), ``learning_rate``, ``seconds``.
    latent_names_ : list of str
        ``shift_x``, ``shift_y`` (``shift_a``, ``shift_b`` on a lattice) and ``rotation`` as far as there are
        any, then ``z1``, ``z2``, ...
    noise_sd_ : float
        Of the Gaussian likelihood, in the units of the data.
    ended_ : {"converged", "max_epochs", "diverged"}
    outstanding_ : int
        Principal components of the registered crops that stand out from noise, `latent_dim` at most.
    summary_ : DataFrame
        As `summary`, of the crops of the training; of 4096 of them if there are more. Further, whether each
        content latent says more than noise does (see Notes): ``p_value`` (NaN for the pose, and where it
        cannot be told; 1 for what is not active) and ``meaningful`` (active, and p <= 0.01 / `latent_dim`;
        for the pose just active).
    doubts_ : list of str
        What speaks against the model; raised as warnings, too, but for what cannot be told.

    Notes
    -----
    The evidence lower bound of a crop x, maximised over both networks, is the mean over q(t, z | x) of
    log p(x | t, z), minus beta times the Kullback-Leibler divergence of q(t, z | x) from a standard normal
    distribution, where t is the pose in units of its prior. Three things are not as in the paper:

    * The start. Crops are registered to their mean and to the principal components of what registration
      leaves over, and the networks are fitted to that by least squares. From random weights, training can end
      where nothing is separated, without any sign of it.
    * The encoder, with the canonical decoder: it first finds the pose, puts the crop where it belongs in the
      frame, and corrects the pose and reads the content there by least squares; perceptrons learn the rest.
    * Phases on a lattice, with `lattice`; their prior is uniform.

    A latent can be active and say nothing: noise, too, has a direction in which crops differ most, and
    windows that overlap share their noise, which can be learned by heart. So `fit` splits the electrons of
    each pixel by chance, 7 to 3 (binomial thinning, which leaves two independent images), learns what varies
    among the registered crops from the larger part, in the direction of each latent, and asks whether it
    comes back in the smaller one. The p-value is that of a normal distribution whose variance follows from
    the counts. It costs far less than a training: principal components stand for the networks. Values that
    are no counts are split by adding and taking away normal noise of the variance that is seen between
    neighbouring pixels; where that noise is correlated nothing can be told, and `doubts_` say so. Windows
    that overlap are known by their pixels, as long as they are in order and not changed one by one.

    Where it fails, or may:

    * In a crystal that a fraction of its cell nearly moves onto itself, a short training leaves some windows
      a fraction of a cell off: give it more epochs. Without any noise, their pose may drift from one fraction
      to the other.
    * Windows trained with a stride that fits the lattice show few phases; of the others the model knows
      little, and `diagnostics.explained_by_place` is too high. Use a stride that shares no period with it.
    * In windows narrower than two cells, strain looks like a displacement that depends on the phase.
    * Where a window holds too few electrons, nothing stands out from noise, and a warning says so. A wall
      across which columns move by 0.4 pixels is not seen at 200 electrons a column, one of 0.8 is.

    References
    ----------
    Ziatdinov, Wong, Kalinin, Mach. Learn.: Sci. Technol. 4, 045033 (2023), arXiv 2106.12472, for the model
    and the coordinate decoder. Frey, Jojic, IEEE CVPR (1999), p. 190, for the start. Kingma, Welling, ICLR
    (2014), arXiv 1312.6114, for the lower bound. Rybkin, Daniilidis, Levine, ICML (2021), arXiv 2006.13202,
    for the learnt noise. Neufeld et al., J. Mach. Learn. Res. 25, 57 (2024), arXiv 2301.07276, and Leiner et
    al., arXiv 2112.11079, for splitting counts and normal values.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> place, width = rng.uniform(-4, 4, 300), rng.uniform(1, 4, 300)
    >>> signals = np.exp(-(((np.arange(40) - 19.5 - place[:, None]) / width[:, None]) ** 2))
    >>> model = ShiftVAE(1, noise_sd=0.05, max_epochs=20, progress=False).fit(signals)
    >>> bool(np.corrcoef(model.shifts(signals)[:, 0], place)[0, 1] > 0.99)
    True
    """

    def __init__(
        self,
        latent_dim: int = 2,
        *,
        invariance: str | None = "shift",
        shift_scale: float = 0.2,
        lattice: Lattice | ArrayLike | None = None,
        rotation_scale: float = 10.0,
        decoder: str = "canonical",
        decoder_units: int | None = None,
        likelihood: str = "gaussian",
        noise_sd: float | None = None,
        beta: float = 1.0,
        smoothness: float = 0.0,
        batch_size: int = 100,
        learning_rate: float = 2e-3,
        max_epochs: int = 50,
        progress: bool = True,
        random_state: int = 0,
    ) -> None:
        self.latent_dim = latent_dim
        self.invariance = invariance
        self.shift_scale = shift_scale
        self.lattice = lattice
        self.rotation_scale = rotation_scale
        self.decoder = decoder
        self.decoder_units = decoder_units
        self.likelihood = likelihood
        self.noise_sd = noise_sd
        self.beta = beta
        self.smoothness = smoothness
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.max_epochs = max_epochs
        self.progress = progress
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: None = None) -> ShiftVAE:
        """Train on crops.

        Parameters
        ----------
        X : array_like of shape (N, length), (N, height, width) or (rows, columns, height, width)
            Signals, crops, or the windows of an image as from `atomlens.windows.sliding_windows`.
        y : None
            Ignored.

        Returns
        -------
        ShiftVAE

        Raises
        ------
        ValueError
            If the data are unusable (wrong dims, NaN, constant crops, fewer crops than a batch, values
            outside [0, 1] with Bernoulli), a parameter is out of range, or smoothness lacks a grid.
        ImportError
            If torch is not installed.

        Warns
        -----
        ConvergenceWarning
            If training diverged; the last good state is kept.
        SeparationWarning
            If nothing was separated, content may be noise, windows are smaller than the unit cell, or many
            shifts lie at the end of what `shift_scale` allows.
        """
        require("torch", reason="the shift-VAE")
        from atomlens.shiftvae import _halves, _register, _train

        crops = Crops(X)
        check_parameters(self, crops)
        crops.check(unit_interval=self.likelihood == "bernoulli")
        offset, extent = (0.0, 1.0) if self.likelihood == "bernoulli" else crops.span()
        core = self._assemble(crops, offset=offset, range=extent)
        with one_torch_thread():
            source = core.source(crops)
            start = _register.first_guess(
                source, len(crops), core.geometry, self.latent_dim, random_state=self.random_state
            )
            _train.prepare(core.networks, source, start, self)
            noise = start.noise if self.noise_sd is None else self.noise_sd / extent
            history, core.noise, self.ended_ = _train.train(
                core.networks, source, len(crops), crops.grid, self, noise
            )
        self.outstanding_ = start.outstanding
        self.history_ = pd.DataFrame(history, columns=_train.COLUMNS)
        self.history_["noise_sd"] *= extent
        mean, sd = core.encode(crops.some())
        self.summary_ = self._summary(mean, sd)
        with one_torch_thread():
            active = self.summary_["active"].to_numpy()[core.geometry.n_pose :]
            replication = _halves.compared(crops, core, start, active, random_state=self.random_state)
        self._judge(replication.p_values)
        self.doubts_ = _verdict.warn(self, edge=self._beyond(mean), replication=replication)
        return self

    def _assemble(self, crops, **state):
        """Networks with first weights, for crops of this size."""
        from atomlens.shiftvae import _core, _networks

        crops = crops if isinstance(crops, Crops) else Crops(crops)
        self.signal_ = crops.signal
        poses = pose_names(self.invariance, crops, lattice=self.lattice)
        self.latent_names_ = [*poses, *(f"z{n + 1}" for n in range(self.latent_dim))]
        geometry = geometry_of(self, crops)
        networks = _networks.build(
            geometry,
            self.latent_dim,
            decoder=self.decoder,
            units=self.decoder_units or _UNITS[self.decoder],
            random_state=self.random_state,
        ).to(_core.device())
        self.core_ = _core.Core(networks, geometry, self.latent_dim, self.likelihood, **state)
        return self.core_

    @property
    def noise_sd_(self) -> ndarray:
        """Standard deviation of the Gaussian likelihood, in the units of the data."""
        return self.core_.noise * self.core_.range

    def transform(self, X: ArrayLike) -> ndarray:
        """Content of crops: the means of the posterior.

        Parameters
        ----------
        X : array_like
            Crops of the size that was trained with; as for `fit`.

        Returns
        -------
        ndarray of float32, shape (N, latent_dim)
            In units of the prior.
        """
        return self.latents(X)[1]

    def latents(self, X: ArrayLike) -> tuple[ndarray, ndarray]:
        """Pose and content of crops: the means of the posterior, in units of the prior.

        Parameters
        ----------
        X : array_like
            As for `transform`.

        Returns
        -------
        pose : ndarray of float32, shape (N, n)
            As `latent_names_` says; `shifts` and `rotations` give them in pixels and degrees.
        content : ndarray of float32, shape (N, latent_dim)
            As `transform`.
        """
        mean, _ = self.core_.encode(self._crops(X))
        return np.split(mean, [self.core_.geometry.n_pose], axis=1)

    def shifts(self, X: ArrayLike, *, polish: bool = True) -> ndarray:
        """How far the crops are shifted from the frame that they share.

        Positive shifts say that what the crop shows lies further right and further down:
        ``crop[y, x] = frame[y - shift_y, x - shift_x]``. The zero is arbitrary, the same for all crops.

        Parameters
        ----------
        X : array_like
            As for `transform`.
        polish : bool
            Improve the encoder's answer for each crop by a few steps of least squares between the crop and
            what is decoded for it: an encoder that has seen some thousand noisy crops is not as good as these
            allow.

        Returns
        -------
        ndarray of shape (N, 2), (N, 1) for signals
            Pixels: x, y.

        Raises
        ------
        ValueError
            If the model knows no shifts.
        """
        crops = self._crops(X)
        if not self.core_.geometry.axes:
            raise ValueError(f"a model with invariance={self.invariance!r} knows no shifts")
        return self.core_.poses(crops, polish=polish)[:, : self.core_.geometry.axes]

    def rotations(self, X: ArrayLike) -> ndarray:
        """How far the crops are turned against the frame that they share.

        Parameters
        ----------
        X : array_like
            As for `transform`.

        Returns
        -------
        ndarray of shape (N,)
            Degrees; positive from x towards y, which is clockwise on the screen.

        Raises
        ------
        ValueError
            If the model knows no rotations.
        """
        crops = self._crops(X)
        if not self.core_.geometry.rotates:
            raise ValueError(f"a model with invariance={self.invariance!r} knows no rotations")
        return np.degrees(self.core_.poses(crops, polish=True)[:, -1])

    def score(self, X: ArrayLike, y: None = None) -> float:
        """Evidence lower bound: what is to be maximised, on any crops.

        Parameters
        ----------
        X : array_like
            As for `transform`.
        y : None
            Ignored.

        Returns
        -------
        float
            Mean over the crops, in nats; of densities in the units of the data.
        """
        return self.core_.evidence(self._crops(X), random_state=self.random_state)

    def summary(self, X: ArrayLike) -> DataFrame:
        """What each latent says about crops.

        Parameters
        ----------
        X : array_like
            As for `transform`.

        Returns
        -------
        DataFrame
            One row a latent: ``kl`` (nats a crop, the divergence of its posterior from the prior),
            ``posterior_sd`` and ``spread`` (standard deviation of the means), both in units of the prior, and
            whether it is ``active``. A latent that is not has collapsed, whatever its means correlate with.
        """
        return self._summary(*self.core_.encode(self._crops(X)))

    def _summary(self, mean, sd):
        kl = self.core_.divergence(mean, sd)
        table = {
            "kl": kl,
            "posterior_sd": sd.mean(axis=0),
            "spread": mean.std(axis=0),
            "active": kl > _ACTIVE,
        }
        return pd.DataFrame(table, index=self.latent_names_)

    def _judge(self, p_values):
        """Put into the summary which latents say more than noise does."""
        active = self.summary_["active"].to_numpy()
        pose = np.full(len(active) - self.latent_dim, np.nan)
        p = np.concatenate([pose, p_values])
        self.summary_["p_value"] = p
        seen = p <= _verdict.LEVEL / self.latent_dim
        seen[: len(pose)] = True  # that crops move is no question
        self.summary_["meaningful"] = active & seen

    def at_edge(self, X: ArrayLike) -> float:
        """Share of crops moved by more than 2.5 times what the prior expects: few, if it is wide enough.

        Parameters
        ----------
        X : array_like
            As for `transform`.

        Returns
        -------
        float
            From 0 to 1; 0 for phases, which have no edge.
        """
        return self._beyond(self.latents(X)[0])

    def _beyond(self, latents):
        geometry = self.core_.geometry
        bounded = np.abs(latents[:, geometry.n_phases : geometry.n_pose])
        return float((bounded > REACH).any(axis=1).mean())

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the weights as a plain state dict, and beside them what they are (json).

        Parameters
        ----------
        path : path-like
            Ends in ``.pt``.
        overwrite : bool

        Raises
        ------
        FileExistsError
            If a file exists and `overwrite` is False.
        ValueError
            If the name does not end in ``.pt``.
        """
        self._fitted()
        _weights.save(path, _weights.SHIFT_VAE, self._described(), self.core_.networks, overwrite=overwrite)

    def _described(self):
        core, parameters = self.core_, self.get_params()
        if self.lattice is not None:
            parameters["lattice"] = np.asarray(getattr(self.lattice, "basis", self.lattice)).tolist()
        return {
            "parameters": parameters,
            "shape": core.geometry.shape,
            "signal": self.signal_,
            "ended": self.ended_,
            "outstanding": self.outstanding_,
            "doubts": self.doubts_,
            **{name: float(getattr(core, name)) for name in STATE},
            "history": self.history_.to_dict("list"),
            "summary": self.summary_.to_dict("list"),
        }

    def _fitted(self):
        check_is_fitted(self, "core_")

    def _crops(self, X):
        self._fitted()
        crops, (height, width) = Crops(X), self.core_.geometry.shape
        if crops.shape != (height, width) or crops.signal != self.signal_:
            wanted = f"{width} points" if self.signal_ else f"{height} x {width} pixels"
            raise ValueError(f"the model knows crops of {wanted}, these have {crops.size_text}")
        return crops
