# %% [markdown]
# # 01 · Clustering of spectral data
#
# <div class="alert alert-block alert-info">
#
# **You will** turn a spectrum image into a map of phases and score it against the truth · decide how many
# clusters there are, and recognise when there are none · do the same to two measured data sets
#
# **Needs** nothing but what a spectrum image is ([what to know first](before_you_start.md),
# [glossary](glossary.md)) · **Time** 45 min live
#
# </div>
#
# A *spectrum image* holds a whole spectrum at every point of a scan. Nobody can look at thousands of
# spectra, so we let an algorithm sort them into a few groups of similar ones, and look at the groups.

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from atomlens import datasets, metrics, plotting, simulate, spectra, widgets
from atomlens.notebook import budget, findings, show

pd.options.display.max_colwidth = None
effort = budget(full={"n_resamples": 8}, fast={"n_resamples": 1, "max_points": 500})
size = budget(full=(64, 64), fast=(40, 40))

# %% [markdown]
# ## 1 · Play before you read
#
# We begin where the answer is known: a *phantom*, a simulated data set whose phases are planted. It is hard on purpose.
# There are few counts, the thickness varies threefold, cosmic rays hit some spectra, the smallest phase covers
# a twentieth of the area, and some edges lie only 20 eV apart.

# %%
phantom = datasets.load("eels_phantom")
phantom

# %% [markdown]
# Click or drag on the map: the black line is the mean spectrum of what you marked. Then move the number of clusters to 2
# and to 6, and set *normalise* to *none*. What does the map follow then? The *adjusted Rand index* (ARI) scores it: 1 is the
# planted map, 0 is what chance gives. *Show the code* gives you what you see.

# %%
edges = {"V L": 513, "O K": 532, "Fe L": 708, "Co L": 779, "La M": 832, "Ni L": 855, "Ce M": 883}
truth = {"truth": phantom.truth.labels, "truth_name": "phantom.truth.labels"}
explorer = widgets.cluster_explorer(phantom.data, edges=edges, name="phantom.data", n_clusters=4, **truth)
explorer.model.region = (10, 20, 30, 40)
explorer

# %%
show(
    explorer.figure,
    alt="Label map with a black square; right, four cluster spectra and in black the mean of the square.",
)

# %% [markdown]
# **Figure 1.1.** The explorer, for readers without a running notebook. The mean spectrum of the black square follows the
# band of one cluster. Its two needles are cosmic rays, which the clustering has removed and the raw data still hold.

# %%
show(
    plotting.first_look(phantom.data),
    alt="Left: total counts, rising smoothly across the scan. Right: three single noisy spectra.",
)

# %% [markdown]
# **Figure 1.2.** The same data as an instrument shows them. The total counts show the wedge, not the phases. A single
# spectrum is mostly noise.

# %% [markdown]
# ## 2 · The idea
#
# Unfold the scan: $N$ spectra of $L$ channels are $N$ points $\mathbf{x}_i$ in a space of $L$ dimensions.
# Spectra of one phase lie close together there. **k-means** looks for $k$ centres $\boldsymbol\mu_c$ and
# for an assignment $c(i)$ of every point such that
#
# $$ \sum_{i=1}^{N} \lVert \mathbf{x}_i - \boldsymbol{\mu}_{c(i)} \rVert^2 \tag{1.1} $$
#
# is as small as possible. That is all. The art lies before it (what should *close* mean when the sample
# is a wedge and the counts are few?) and after it (how many clusters, and do they exist?).
#
# One call does the work. It removes cosmic rays (*despikes*), divides each spectrum by its area (so that thickness drops
# out), weights the channels so that counting noise is equal in all of them, keeps the principal components above the
# noise, and runs k-means. Every step is a scikit-learn transformer in one `Pipeline`.

# %%
result = spectra.cluster(phantom.data, n_clusters=4)
print(*result.pipeline.named_steps.values(), sep="\n")

# %% [markdown]
# In the plane of the first two components, k-means can be watched. All centres begin in one corner, as badly as can be.

# %%
points = result.scores_map.values.reshape(-1, result.scores_map.sizes["component"])
some = points[::8, :2]
corner = some[np.argsort(some @ [1, 1])[:: len(some) // 40][:4]]
show(
    plotting.kmeans_steps(some, corner, steps=4),
    alt="Five panels: four centres start at one side of a cloud; arrows lead them to the middles of four groups.",
)

# %% [markdown]
# **Figure 1.3.** Two steps, over and over: every point takes the colour of its nearest centre, every centre goes to the
# mean of its points. Each step can only lower (1.1), so it ends; it need not end at the lowest value, which is why
# the package starts many times. Written out once, with all components:


# %%
def lloyd(points, centres, steps=50):
    for _ in range(steps):
        distance = ((points[:, None] - centres) ** 2).sum(axis=2)
        nearest = distance.argmin(axis=1)
        centres = np.array([points[nearest == c].mean(axis=0) for c in range(len(centres))])
    return nearest


corners = points[[*points.argmax(axis=0), points[:, 0].argmin()]]
by_hand = lloyd(points, corners)
agreement = metrics.adjusted_rand_index(by_hand, result.labels.values.ravel())
print(f"ARI by hand against the package: {agreement:.4f}")

# %% [markdown]
# (The ARI compares two partitions whatever their numbering.)
#
# ## 3 · Scored against the truth

# %%
show(
    plotting.cluster_overview(result, truth=phantom.truth.labels, edges=edges),
    alt="Planted phases and clusters found, two nearly identical maps; right, four mean spectra with their edges.",
)

# %% [markdown]
# **Figure 1.4.** The label map repeats the planted one. The mean spectra say what the phases are: dotted lines are the
# onsets of the edges of seven elements, and each cluster has one metal beside oxygen. The bands are wide because
# thickness scales the spectra within each phase.

# %%
ari = metrics.adjusted_rand_index(result.labels, phantom.truth.labels)
assert ari > 0.98
print(f"ARI = {ari:.4f}")
metrics.cluster_report(result.labels, phantom.truth.labels)

# %% [markdown]
# ## 4 · Measured: which layer holds aluminium?
#
# Now real data: layers of GaAs and AlGaAs beside vacuum. If a set is neither on this machine nor to be had over the
# network, a phantom takes its place and says so.

# %%
gaas = datasets.load("gaas_eels", or_phantom=True)
print(datasets.credit(gaas))

# %%
layers = spectra.choose_k(gaas.data, range(1, 8), **effort)
stack = spectra.cluster(gaas.data, layers.recommended)
low_edges = {"Al L": 73, "Ga M": 103, "Al L1": 118, "As M": 141}
show(
    plotting.cluster_overview(stack, title=f"{layers.recommended} clusters", edges=low_edges),
    alt="Slanted layers of two clusters below a strip of vacuum, and mean spectra with edges of Al, Ga and As.",
)

# %% [markdown]
# **Figure 1.5.** Vacuum at the top, and two kinds of layers that cross the scan at a slant. Dotted lines are onsets from
# Ahn and Krivanek's EELS Atlas (1983); the step near 78 eV is the L edge of aluminium, if the scale is a few eV off, or
# the aluminium oxidised.
# In vacuum nothing but the detector's background is left. Yet normalisation blows it up to the same area as
# a real spectrum: a cluster of noise. Here it forms a cluster of its own. Where it does not, leave it out with `mask=`.
#
# **Predict, then run.** Which of the two holds aluminium? Count what lies over the background behind an edge: a power law,
# fitted before the edge, goes on below it.


# %%
def step(spectrum, before, after):
    """Counts after an edge over those expected from a power law that was fitted before it, less one."""
    energy = spectrum.energy
    fit, rest = (spectrum[(energy > low) & (energy < high)] for low, high in (before, after))
    if min(len(fit), len(rest)) < 5:
        return np.nan  # other energies
    line = np.polyfit(np.log(fit.energy), np.log(fit), 1)
    return float((rest / np.exp(np.polyval(line, np.log(rest.energy)))).mean() - 1)


windows = {
    "Al": ((71, 77), (79, 82)),
    "Al, other background": ((73, 77), (79, 82)),
    "Ga": ((92, 101), (106, 112)),
}
steps = {name: [step(s, *both) for s in stack.spectra] for name, both in windows.items()}
(100 * pd.DataFrame(steps)).round(1).rename_axis("cluster").add_suffix(" (%)")

# %% [markdown]
# Both do: the step is seen in both kinds of layers, whichever window the background gets. Gallium shows in one of them
# only. So the layers differ in gallium, and in the slope of the background, which thickness changes too. A label says
# *that* spectra differ, not in what.
#
# ## 5 · What "similar" means
#
# The same data, the same k-means, five ways to divide out the strength of a spectrum: by nothing, its maximum, its length
# (*l2*), its mean and standard deviation (*snv*, standard normal variate), or its area. This phantom has two phases, and
# its thickness varies sixfold.
#
# **Predict, then run.** What are the two clusters when nothing is divided out?

# %%
wedge = simulate.spectra.eels(2, shape=size, smallest=0.4, thickness_ratio=6.0, counts=2e4, random_state=0)
choices = ["none", "max", "l2", "snv", "area"]
normalised = {
    how: spectra.cluster(wedge.data, 2, preprocess=spectra.recommended_pipeline(wedge.data, normalise=how))
    for how in choices
}
show(
    plotting.method_grid(normalised, truth=wedge.truth.labels),
    alt="Planted map of two phases and five label maps. Without normalisation the map is split by thickness.",
)

# %% [markdown]
# **Figure 1.6.** Without normalisation the two clusters are *thin* and *thick*: correct mathematics, wrong
# question. Each of the other choices recovers the phases here, but they weigh noise differently. The area is
# the best measured number of a noisy spectrum; the maximum is a single channel, and its noise spoils the
# whole spectrum when counts are few.

# %%
thick = (wedge.truth.thickness > wedge.truth.thickness.median()).astype(int)
bare = normalised["none"].labels
print(f"none, scored as phases:    ARI {metrics.adjusted_rand_index(bare, wedge.truth.labels):.2f}")
print(f"none, scored as thickness: ARI {metrics.adjusted_rand_index(bare, thick):.2f}")

# %% [markdown]
# ## 6 · How many clusters?
#
# Seven criteria answer, and they do not agree, because they answer different questions. Six score a
# partition. The seventh is a *test*: could one pair of these clusters be a single cloud, cut in two? If no
# pair could, the clusters are **separated by a gap in density**. Its null, what is assumed until the data speak against
# it, is the one cloud that is hardest to tell from two clusters. So it can also say "there are no clusters".

# %%
choice = spectra.choose_k(phantom.data, range(1, 9), **effort)
show(
    plotting.criteria(choice),
    alt="Seven small plots of criteria against k, each with a dot at the k it prefers, and the verdict: 4.",
)

# %% [markdown]
# **Figure 1.7.** Orange dots mark what each criterion prefers. The *elbow* stops early, since splitting the closest pair of
# phases takes little off the sum (1.1). *BIC*, which charges a price for every parameter, goes on: it counts the
# Gaussians that describe the clouds best, and a cloud stretched by thickness takes more than one. The *silhouette*
# compares how near the own cluster is with how near the next one is. The test returns the planted number.

# %%
assert choice.recommended == phantom.truth.sizes["phase"]
choice.reasons

# %% [markdown]
# Move the slider. What does k = 3 merge, and what does k = 5 cut?

# %%
widgets.k_cockpit(phantom.data, choice, name="phantom.data", edges=edges)

# %% [markdown]
# And where nothing is to be found? One phase, the same wedge, more counts, so that the change of shape with
# thickness becomes visible:

# %%
single = simulate.spectra.eels(1, shape=size, counts=5e4, random_state=3)
nothing = spectra.choose_k(single.data, range(1, 7), **effort)
assert nothing.recommended == 1
nothing.reasons

# %% [markdown]
# <details><summary><b>Question.</b> The silhouette prefers some k of at least 2 here. Why can it not say 1?</summary>
#
# It compares the own cluster with the next one, and with a single cluster there is no next one. It is a way to choose
# *among* partitions, not a way to ask whether there is one. Had we trusted it, we would have published phases where
# there is one, and given each a spectrum and a map.
#
# </details>
#
# ## 7 · Measured: when there are no clusters
#
# The second set maps copper and zinc on an oxide nanotube. Its source also published maps of the two fitted
# edges, which is as much of an answer key as real data offer.

# %%
cuzn = datasets.load("cuzn_eels", or_phantom=True)
print(datasets.credit(cuzn))

# %%
choice_cuzn = spectra.choose_k(cuzn.data, range(1, 8), **effort)
show(
    plotting.criteria(choice_cuzn),
    alt="Seven criteria for the CuZn data, which prefer numbers from 1 to 7; the verdict is no clusters.",
)

# %% [markdown]
# **Figure 1.8.** Here the criteria disagree in earnest. Two clusters are *stable*: another half of the
# data gives nearly the same map. But they are not *separated*. The spectra form a continuum, and
# k-means cuts it at a place that repeats. Both statements are true, and only together do they describe the
# sample. What varies? Compare the first component with the maps, after different preprocessing.

# %%
maps = {name: m for name, m in cuzn.truth.data_vars.items() if m.dims == ("y", "x") and float(m.std()) > 0}
maps["total counts"] = cuzn.data.sum("energy")
steps = {
    "as measured": {"normalise": "none"},
    "divided by area": {"normalise": "area"},
    "background removed": {"normalise": "none", "background": (800, 915)},
}
rows = {}
for name, options in steps.items():
    pipeline = spectra.recommended_pipeline(cuzn.data, **options)
    first = spectra.cluster(cuzn.data, 2, preprocess=pipeline).scores_map[..., 0]
    rows[name] = {key: abs(float(xr.corr(first, m.drop_vars(m.coords)))) for key, m in maps.items()}
pd.DataFrame(rows).T.rename_axis("first component, against").round(2)

# %% [markdown]
# As measured, the first component *is* the total of the counts, to which thickness, density and scattering
# out of the aperture all contribute. Divided by area, or with the background under the edges removed by a power
# law, it follows the two metals. (It cannot tell one from the other: their maps are much alike.) So the right
# question is not *which phase?* but *how much of it?* We **unmix** the spectra into endmembers instead.

# %%
metals = {"Cu L": 931, "Zn L": 1020}
parts = spectra.unmix(cuzn.data, 2)
show(
    plotting.abundance_maps(parts.abundances, endmembers=parts.endmembers, edges=metals),
    alt="Two complementary abundance maps, and two endmember spectra of which one shows the edges of Cu and Zn.",
)

# %% [markdown]
# **Figure 1.9.** The second endmember carries the edges of copper and zinc, the first is
# background alone. Between a metal-rich corner and bare places the abundance takes all values: there is no
# border to draw. An abundance is a share of the *counts*, background included.

# %% [markdown]
# ## 8 · Tune once, take it to other samples
#
# The pipeline is an object of scikit-learn, so it can be tuned and carried away. A small search over two of its
# parameters, on one phantom with few counts; then every choice, fitted there, labels two samples that it has never
# seen.
#
# **Predict, then run.** One of them holds an oxide that the first did not. What will the pipeline make of it?

# %%
tuned, *others = (simulate.spectra.eels(4, shape=size, counts=2000, random_state=seed) for seed in (4, 6, 5))
samples = dict(zip(["tuned on", "same oxides", "another oxide"], [tuned, *others], strict=True))
print({name: sorted(sample.truth.phase.values.tolist()) for name, sample in samples.items()})
spectra_of = {name: sample.data.values.reshape(-1, sample.data.shape[-1]) for name, sample in samples.items()}
rows = []
for options in ParameterGrid({"normalise__method": ["none", "max", "area"], "pca__n_components": [2, 3, 8]}):
    model = clone(result.pipeline).set_params(**options).fit(spectra_of["tuned on"])
    for name, some in spectra_of.items():
        right = metrics.adjusted_rand_index(model.predict(some), samples[name].truth.labels.values.ravel())
        rows.append({"normalise": options["normalise__method"], "components": options["pca__n_components"],
                     "sample": name, "ARI": right})  # fmt: skip
search = pd.DataFrame(rows).pivot_table("ARI", ["normalise", "components"], "sample")
search[list(samples)].round(3)

# %% [markdown]
# Where the oxides are the same, what was tuned goes on to work. A new phase is put with the cluster it resembles most, in
# silence: a fitted pipeline knows no "none of these". And scores of the sample that was tuned on are never quoted, as
# they were chosen for being high.

# %% [markdown]
# ## 9 · Where it fails
#
# Leave out one step at a time, and cut too finely.

# %%
hard = simulate.spectra.eels(4, shape=size, spike_fraction=0.1, random_state=0)
spiky = spectra.recommended_pipeline(hard.data, despike=False)
unscaled = spectra.recommended_pipeline(hard.data, normalise="none")
attempts = {
    "recommended": spectra.cluster(hard.data, 4),
    "no despiking": spectra.cluster(hard.data, 4, preprocess=spiky),
    "no normalising": spectra.cluster(hard.data, 4, preprocess=unscaled),
    "k too large": spectra.cluster(hard.data, 8),
}
show(
    plotting.method_grid(attempts, truth=hard.truth.labels),
    alt="Planted map and four attempts: all but the recommended one differ visibly from it.",
)

# %% [markdown]
# **Figure 1.10.** Without despiking a few cosmic rays outweigh a whole phase: a cluster is spent on a handful
# of spectra. Without normalising, thickness cuts the phases. Too large a k never
# complains: k-means cuts a cloud into neat halves, and only the criteria of section 6 tell.

# %% [markdown]
# More limits. A phase that covers a handful of pixels is not a cluster to any of these methods.
# Two phases whose spectra differ by less than the noise of a spectrum are one cloud, and the test will call
# them one. And a gap in density is needed: phases joined by a wide zone of mixtures count as a continuum.

# %% [markdown]
# ## What stays

# %% tags=["hide-input"]
preferred = choice_cuzn.reasons.k
scored = {how: metrics.adjusted_rand_index(r.labels, wedge.truth.labels) for how, r in normalised.items()}
best = search["tuned on"].idxmax()
findings(f"""
- On the phantom the recommended pipeline reaches an **ARI of {ari:.3f}**, and the test finds
  **{choice.recommended}** clusters where {phantom.truth.sizes["phase"]} were planted.
- Criteria for k ask different things: for CuZn the silhouette prefers **{preferred["silhouette"]}**, and the test says
  **{choice_cuzn.recommended}**.
- Preprocessing decides what a cluster means: without normalisation the ARI of the wedge falls from
  **{scored["area"]:.2f}** to **{scored["none"]:.2f}**.
- A pipeline travels: tuned on one sample, it labels another with an ARI of **{search["same oxides"][best]:.2f}**; with
  a new oxide in it, **{search["another oxide"][best]:.2f}**.
""")

# %% [markdown]
# <div class="alert alert-block alert-warning">
#
# **Now you**: the [exercises](exercises/01_spectral_clustering.ipynb) give every student their own data.
# **Your own file**: `al.io.read("file.dm4")` instead of `datasets.load(...)`, then everything above;
# [the start notebook](00_start_here.ipynb) shows how.
#
# </div>
#
# [Lesson 01b](01b_more_spectra.ipynb) compares six methods, and treats a moving axis, other kinds of spectra, interfaces
# and data larger than memory. [Lesson 02](02_descriptors.ipynb) turns images into rows of numbers.
