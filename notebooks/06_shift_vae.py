# %% [markdown]
# # 06 · Shift-VAE: what varies, besides where the window was cut
#
# <div class="alert alert-block alert-info">
#
# **You will** train a network that separates movement from content, and score both against what was planted · tell a
# latent that says something from one that has collapsed · turn an image into maps of an order parameter
#
# **Needs** [lesson 02](02_descriptors.ipynb) for windows, [lesson 05](05_patterson_ocsvm.ipynb) for what a shift does to them
# ([what to know first](before_you_start.md), [glossary](glossary.md)) · **Time** 45 min live
#
# </div>
#
# Cut a thousand windows out of an image of a crystal, anywhere. They differ, and nearly all of the difference is
# *where they were cut*. The Patterson function of lesson 05 forgets that, and forgets the phases with it. A
# variational autoencoder can learn it instead: give it latents whose only job is to move the picture, and what is
# left for the other latents is what the crystal does.

# %% tags=["hide-input"]
import warnings

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import pearsonr, spearmanr
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from atomlens import datasets, lattice, metrics, plotting, simulate, widgets
from atomlens.notebook import budget, findings, show
from atomlens.shiftvae import SeparationWarning, ShiftVAE, compare, leakage
from atomlens.windows import flatten, sliding_windows

settings = {"max_epochs": budget(full=12, fast=5), "progress": False}

# %% [markdown]
# ## 1 · Play before you read
#
# A *phantom*, a simulated data set whose answer is planted: two thousand crops of a square lattice. The column in the middle
# is like the others, or missing, or brighter; each crop is shifted by up to 3 pixels, and noise is added.

# %%
cells = simulate.shifted.cells(budget(full=2000, fast=600))
planted = cells.truth[["shift_x", "shift_y"]].to_numpy()
show(
    plotting.crops(cells.data[:8], titles=cells.truth.kind[:8]),
    alt="Eight noisy crops of a square lattice, shifted, with a normal, a bright or a missing column in the middle.",
)

# %% [markdown]
# **Figure 6.1.** To the eye these are three kinds. A network has looked at all of them:

# %%
model = ShiftVAE(2, shift_scale=0.15, **settings).fit(cells.data)
explorer = widgets.manifold_explorer(model, cells.data, name="model")
explorer

# %% [markdown]
# Move the mouse over the cloud: the picture is decoded where you are. Then move the shift. Which slider moves the crystal,
# and what do the two *latents*, the axes of the cloud, change?

# %%
show(explorer.figure, alt="A cloud of crops in the plane of two latents, and the picture decoded there.")

# %% [markdown]
# **Figure 6.2.** The explorer as it opens.
#
# ## 2 · The same thing, somewhere else
#
# To anything that compares pixel by pixel the three kinds are lost: a shift by half a lattice vector changes every pixel, a
# missing column only a few. Principal components say so:


# %%
def ari(content):
    """Adjusted Rand index of three Gaussian clusters and the planted kinds: 1 is perfect, 0 is chance."""
    found = GaussianMixture(3, n_init=3, random_state=0).fit_predict(content)
    return metrics.adjusted_rand_index(found, np.unique(cells.truth.kind, return_inverse=True)[1])


flat = cells.data.values.reshape(len(cells.data), -1)
of_pca = ari(PCA(2, random_state=0).fit_transform(flat))
print(f"ARI of two principal components: {of_pca:.2f}")

# %% [markdown]
# So write down how a crop $c$ comes about. Its content $z$ decides a picture $f_z$, larger than the window; the crop
# is a piece of it, seen at coordinates moved by the shift $\mathbf t$:
#
# $$ c(\mathbf x) = f_z(\mathbf x - \mathbf t) + \text{noise}, \qquad z \sim \mathcal N(0, I), \quad
#    \mathbf t \sim \mathcal N(0, s^2 I). \tag{6.1} $$
#
# Both are unknown. The normal distributions are the *prior*: what is assumed of $z$ and $\mathbf t$ before a crop is seen.
# An **encoder** guesses them from the crop, as distributions $q(\mathbf t, z \mid c)$, the *posterior*, each a Gaussian
# with a mean and a width; a **decoder** draws $f_z$.

# %%
crop = cells.data[0].values
show(
    plotting.vae_schematic(crop, model.reconstruct(cells.data[:1])[0]),
    alt="A window goes into an encoder; a shift and two latents come out and feed a decoder that draws it again.",
)

# %% [markdown]
# **Figure 6.3.** The shift moves the coordinates at which the decoder draws; the latents decide what it draws. Both networks
# are trained to make the crops likely, and to keep the guesses no sharper than the data ask for:
#
# $$ \mathcal L = \underbrace{\mathbb E_q \log p(c \mid \mathbf t, z)}_{\text{reconstruction}}
#    - \underbrace{\mathrm{KL}\left[q(\mathbf t, z \mid c)\,\|\,\text{prior}\right]}_{\text{what the latents cost}}, \tag{6.2} $$
#
# the *evidence lower bound*, in nats a crop (a nat is 1.44 bits; KL, the Kullback-Leibler divergence, is how far the
# posterior is from the prior). Without $\mathbf t$, that is an ordinary variational autoencoder. The idea is that of
# Ziatdinov, Wong and Kalinin (Machine Learning: Science and Technology 4, 045033, 2023). *Ours is another network*: it draws
# a frame once and samples it where the shift says; lesson 06b compares.

# %%
vanilla = ShiftVAE(2, invariance=None, max_epochs=8, progress=False).fit(cells.data)
show(
    plotting.training_history(model.history_),
    alt="The loss falls within a few epochs and then slowly; the divergence of pose and content settles.",
)

# %% [markdown]
# **Figure 6.4.** The loss is the negative of (6.2); beside it, its parts. It falls fast, since networks do not begin with
# random weights here: the crops are first registered to their mean, and both networks are fitted to their principal
# components by least squares. Where steps are longest, in the middle, it may rise a little: each step sees some of the
# crops only. The noise was not given; it is learnt, and the planted value is 0.1.
#
# **Predict, then run.** How well will the content of each model sort the crops into the three kinds?

# %%
print(f"learnt noise: {model.noise_sd_:.3f} of the range")
of_vanilla, of_shift = (ari(m.transform(cells.data)) for m in (vanilla, model))
print(f"ARI of the content: vanilla {of_vanilla:z.2f}, with shift {of_shift:.2f}")

# %%
figure, axes = plotting.new_figure(1, 2, size=(10.4, 4))
for ax, (title, one) in zip(axes, {"Vanilla": vanilla, "With shift": model}.items(), strict=True):
    plotting.draw_latents(ax, one.transform(cells.data), cells.truth.kind.to_numpy(), title=title)
show(figure, alt="Content of two models: three kinds over one another, and three separate clouds.")

# %% [markdown]
# **Figure 6.5.** The vanilla model mixes the kinds: nothing changes so many pixels as the place of the crop, and that
# is what its latents are about. With a shift of its own, the same network has nothing left to say but the kind. And
# the shift itself?

# %%
found = model.shifts(cells.data)
apart = found - planted
error = np.sqrt(((apart - np.median(apart, axis=0)) ** 2).sum(axis=1).mean())
pairs = {f"shift along {axis}": (planted[:, n], found[:, n], "pixels") for n, axis in enumerate("xy")}
show(
    plotting.against_truth(pairs),
    alt="Shifts found against shifts planted, along x and y: points on the diagonal.",
)
print(f"Root mean square error of the shift, after one common offset is removed: {error:.3f} pixels.")

# %% [markdown]
# **Figure 6.6.** Right and down are positive. Where the middle of the frame lies is the model's choice, hence the
# offset.
#
# ## 3 · A latent that says nothing
#
# One dimension makes it plain: noisy peaks whose position and width vary. A model with one shift and *two* contents has one
# too many.

# %%
peaks = simulate.shifted.peaks(budget(full=2000, fast=800))
show(
    plotting.crops(peaks.data[:4].values, columns=4),
    alt="Four noisy peaks of different position and width.",
)

# %%
of_peaks = ShiftVAE(2, shift_scale=0.15, likelihood="bernoulli", **settings).fit(peaks.data)
of_peaks.summary_.round(3)

# %% [markdown]
# `kl` is what a latent costs, in nats a signal; `posterior_sd` is how sharply it is known, in units of the prior. A
# latent at 0 nats and 1 has **collapsed**: whatever the signal, its posterior is the prior.

# %%
show(
    plotting.latent_bars(of_peaks.summary_),
    alt="Divergence and posterior width of shift and two contents; one content is marked as collapsed.",
)

# %%
used, spare = of_peaks.summary_.kl[["z1", "z2"]].sort_values().index[::-1]
content = pd.DataFrame(of_peaks.transform(peaks.data), columns=["z1", "z2"])
position, width = peaks.truth.position, peaks.truth.width
of_shifts = pearsonr(of_peaks.shifts(peaks.data)[:, 0], position).statistic
of_width, of_spare = (abs(spearmanr(content[z], width).statistic) for z in (used, spare))
print(
    f"shift and position: {of_shifts:.4f}; {used} and width: {of_width:.4f}; {spare} and width: {of_spare:.2f}"
)

# %% [markdown]
# **Figure 6.7**, and what is printed below it: the shift is linear in the position, one content is a function of the
# width, and the other is not used.
#
# <details><summary><b>Question.</b> The spare latent correlates a little with the width. Does it hold some of the width?</summary>
#
# *Never judge that by correlation*: the means of a collapsed latent are tiny, but they are not random, and may correlate with
# anything. What gives it away is that they hardly move, below.
#
# </details>

# %%
content.std().rename("spread of the means").to_frame().T.round(3)

# %% [markdown]
# Whether a latent is spare depends on what one calls noise. The Bernoulli likelihood above, the customary one for values
# from 0 to 1, is very tolerant. A sharper one, whose noise is learnt, uses both: it sees the ends of wide peaks, which the
# window cuts off. Both answers are right, to different questions.
#
# ## 4 · What has to be chosen
#
# How far may crops move, how many contents are there? `compare` trains each choice on a part of the crops and judges it
# on the rest.

# %%
scales = budget(full=(0.03, 0.15, 0.4), fast=(0.03, 0.15))
quick = {"max_epochs": budget(full=5, fast=3), "progress": False}
part = cells.data[: budget(full=1000, fast=400)]
numbers = budget(full=(1, 4), fast=(1, 2))
choices = {f"shift_scale={s}": ShiftVAE(1, shift_scale=s, **quick) for s in scales}
choices |= {f"latent_dim={n}": ShiftVAE(n, shift_scale=0.15, **quick) for n in numbers}
compare(choices, part).round(3)

# %% [markdown]
# `elbo` is (6.2) in nats a pixel, on crops that were held out. Too narrow a prior costs (`kl_pose`), and
# crops pile up `at_edge`. Too wide a one costs a little, and reaches the next column: a crop of a lattice fits nearly as
# well one period further. More contents than there is to say bring next to nothing: the bound hardly rises, and they are
# not `active`. What content should *not* do is to know about the shift. The *mutual information* of the two, in nats, beside
# what the same estimate gives for shuffled shifts:

# %%
leakage(model, cells.data).round(3)

# %% [markdown]
# ## 5 · Windows anywhere: order parameters as maps
#
# Crops around a known middle are a luxury. Take a perovskite whose B columns are displaced along x by a smooth field,
# 20 pm at most, one pixel. Windows are cut on a grid, without regard to the cells.

# %%
side = 6.0
field = lambda x, y: np.sin(2 * np.pi * x / side) * np.cos(2 * np.pi * y / side)  # noqa: E731
crystal = simulate.structures.perovskite((side, side))


def polarised(electrons):
    """Image of the crystal with its B columns displaced by the field."""
    table = crystal.columns.copy()
    middle = table.label == 1
    table.loc[middle, "x_nm"] += 0.02 * field(table.x_nm[middle], table.y_nm[middle])
    return simulate.image(table, shape=(300, 300), electrons=electrons, random_state=0).data


polar = polarised(electrons=400)
cell = lattice.estimate(polar)
size, stride = round(2.2 * cell.lengths.max()), 7
pieces = sliding_windows(polar, size, step=stride)
print(f"{pieces.shape[0]} x {pieces.shape[1]} windows of {size} pixels; {cell}")

# %% [markdown]
# On a crystal the shift of a window is a *phase*: it starts anew with every cell. An encoder is a continuous function,
# and where the shift jumps from one end of the cell to the other, it cannot follow. Let us see both: first the ordinary
# shift, then `lattice=`, which makes the shift an angle, without ends.

# %%
once = {"max_epochs": budget(full=7, fast=3), "progress": False}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", SeparationWarning)  # we are about to see what it would say
    with_ends = ShiftVAE(1, shift_scale=0.3, **once).fit(pieces)
on_lattice = ShiftVAE(1, lattice=cell, **once).fit(pieces)
print(f"bound: with ends {with_ends.score(pieces):.0f}, on a lattice {on_lattice.score(pieces):.0f} nats")


# %% tags=["hide-input"]
def mapped(model, image, planted=field):
    """Map of the first content, in the sign that fits; the planted field there; their correlation."""
    found = model.latent_map(image, stride=stride)
    x, y = np.meshgrid(found.x, found.y)
    truth = found.sel(latent="z1").copy(data=planted(x, y)).assign_attrs(long_name="field", units="1")
    r = pearsonr(found.sel(latent="z1").values.ravel(), truth.values.ravel()).statistic
    return found.sel(latent=["z1"]) * np.sign(r), truth, abs(r)


def beside(maps):
    """Maps of the first content of several models, each called by its name."""
    return xr.concat([one.assign_coords(latent=[name]) for name, one in maps.items()], dim="latent")


# %%
ends_map, truth, r_ends = mapped(with_ends, polar)
polar_map, _, r_polar = mapped(on_lattice, polar)
show(
    plotting.latent_maps(
        beside({"z1, on a lattice": polar_map, "z1, with ends": ends_map}),
        truth={"Planted displacement": 20 * truth.assign_attrs(long_name="along x", units="pm")},
    ),
    alt="The content map on a lattice shows the planted waves; with an ordinary shift it shows scattered dots.",
)
print(f"|Correlation| with the field: on a lattice {r_polar:.3f}, with ends {r_ends:.3f}.")

# %% [markdown]
# **Figure 6.8.** Nobody told the model about displacements. With ends (middle), windows are put into the wrong cell
# wherever one ends, and content is spent on mending that: scattered dots, or stripes, which show where the cells are
# cut. It is the most common failure of the method on crystals, and easily missed, as both models draw their windows
# well enough for the eye. What tells without any truth is the bound above, in nats a window: of two models of the
# same windows, the higher one explains them better.
#
# ## 6 · Real samples
#
# A bent superlattice of PbTiO₃ and SrRuO₃, and copper oxide under a tunnelling microscope. The lattice is estimated, and
# nothing else is told. Lesson 06b has three more.

# %%
names = ["pto_sro_haadf", "cu2o_stm"]
real = {}
for name in budget(full=names, fast=names[:1]):
    image = flatten(datasets.load(name, or_phantom=True).data[:360, :360])
    own = lattice.estimate(image)
    window = round(1.5 * own.lengths.max())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", SeparationWarning)
        fitted = ShiftVAE(2, lattice=own, **once).fit(sliding_windows(image, window, step=13))
    real[name] = image, fitted
    print(*(f"{name}: {warning.message}\n" for warning in said), sep="", end="")

# %%
for name, (image, fitted) in real.items():
    maps = fitted.latent_map(image, stride=budget(full=6, fast=12))
    figure, axes = plotting.new_figure(1, 3, size=(10.4, 3.2))
    plotting.draw_image(axes[0], image, title=name)
    for ax, latent in zip(axes[1:], ("z1", "z2"), strict=True):
        plotting.draw_latent_map(ax, maps.sel(latent=latent))
    show(figure, alt=f"An experimental image, {name}, and maps of two contents of it.")

# %% [markdown]
# **Figure 6.9.** The superlattice falls into its layers. In the oxide vacancies stand out, each with a structure of its own,
# and so do scan lines at which the tip changed. Dots at the pitch of the lattice are windows whose shift was not found. A
# map of contents is not a picture of atoms. Choose points in the cloud, and see where in the image they are; or the other
# way round:

# %%
name = list(real)[-1]
brush = widgets.latent_explorer(real[name][1], real[name][0], stride=8, name="image")
brush

# %%
show(brush.figure, alt="An image, a map of a latent, and the cloud of its windows, linked.")

# %% [markdown]
# **Figure 6.10.** The linked explorer as it opens: image, map, cloud, and what is decoded along the latent of the map.
#
# ## 7 · Where it fails
#
# *The window.* It has to hold what is to be told apart. The planted displacement of Section 5 again, with windows of less
# than a cell, and what the model itself says of that:

# %%
small = round(0.8 * cell.lengths.max())
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always", SeparationWarning)
    cramped = ShiftVAE(1, lattice=cell, **once).fit(sliding_windows(polar, small, step=stride))
r_small = mapped(cramped, polar)[2]
print(f"windows of {size} pixels: |r| = {r_polar:.2f}; of {small} pixels: {r_small:.2f}")
print(*(warning.message for warning in said), sep="\n")

# %% [markdown]
# That correlation is no half success: the latent has collapsed, and its tiny means correlate all the same, as in
# Section 3. A window of less than a cell may show a column without its neighbours: displaced against what?
#
# *A shift that reaches the next column.* Nothing in the data says which column was meant: keep 2.5 times `shift_scale` times
# half the window near half a period, or below, or give the lattice. *Nothing that repeats.* Without a lattice, windows
# anywhere have no phase; cut them around columns instead (`windows.column_windows`). *Several lattices.* One model knows
# one lattice: divide the image first (lesson 05).
#
# <div class="alert alert-block alert-warning">
#
# **Your own image**
#
# ```python
# image = windows.flatten(io.read("my_image.dm4"))
# cell = lattice.estimate(image)
# size = round(2.2 * cell.lengths.max())
# model = ShiftVAE(2, lattice=cell).fit(sliding_windows(image, size, step=6))
# model.summary_
# maps = model.latent_map(image, stride=3)
# model.save("my_model.pt")
# ```
#
# The [exercises](exercises/06_shift_vae.ipynb) come next.
#
# </div>
#
# ## What stays

# %% tags=["hide-input"]
findings(
    f"""* Give movement a latent of its own, and content is what remains: ARI {of_shift:.2f}, and {of_vanilla:z.2f} without.
* Judge a latent by its divergence (nats), its posterior width and the spread of its means, not by correlation.
* On a crystal the shift is a phase: |r| {r_polar:.2f} with the planted field, {r_ends:.2f} with a shift that has ends.
* A window must hold what is to be told apart: |r| {r_polar:.2f} in windows of 2.2 cells, {r_small:.2f} in 0.8."""
)

# %% [markdown]
# [Lesson 06b](06b_more_shift_vae.ipynb): strain, tilt and standing waves, smooth maps, other programs, more samples. Next comes
# [lesson 07](07_defect_library.ipynb): a library of defects, and what their electrons do.
