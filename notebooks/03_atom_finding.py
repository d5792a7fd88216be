# %% [markdown]
# # 03 · Finding atomic columns
#
# <div class="alert alert-block alert-info">
#
# **You will** make training images of any structure, with the exact answer · train AtomAI's network in a loop that you
# can read, and score it · judge it on images that were made another way · take positions to the physical limit
#
# **Needs** what an atomic-resolution image is ([what to know first](before_you_start.md), [glossary](glossary.md)) ·
# **Time** 45 min live
#
# </div>
#
# Half of what is done with atomic-resolution images begins with a table: one row a column of atoms, with its
# position. A *deep convolutional neural network* (layers of small filters that are learnt) can make that table from
# images in which a human hesitates. It needs images to learn from, and nobody has to label these: theory knows the answer.

# %% tags=["hide-input"]
import warnings

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown

from atomlens import columns, datasets, metrics, plotting, simulate, widgets
from atomlens.notebook import budget, findings, show
from atomlens.simulate import multislice

# %% [markdown]
# ## 1 · Play before you read
#
# A *phantom*: a simulated image whose answer is planted. It is a sheet of MoS₂ in which some sulphur atoms are missing.
# The dots are what a trained network finds; rings are columns that it missed, crosses are false ones.
#
# **Predict, then run.** Move the dose down from 20 electrons a column, then up. When do *you* see the rows, and when does the
# network lose them? Then blur the image with the defocus (the circle is the probe). What breaks first?

# %%
structure = simulate.structures.transition_metal_dichalcogenide("MoS2", (4, 4), rotation=12)
structure = simulate.defects.vacancies(structure, fraction=0.05, sublattice="S2", random_state=1)
explorer = widgets.imaging_explorer(structure, name="structure", electrons=20)
explorer

# %%
show(
    explorer.figure,
    alt="A noisy image in which rows can be guessed; beside it the same image with a dot on each column found.",
)

# %% [markdown]
# **Figure 3.1.** The explorer as it opens. *F1* above the image scores the dots: it is the harmonic mean of *precision*
# (how much of what was found is there) and *recall* (how much of what is there was found). One dot counts for one column.
#
# ## 2 · From theory to an image
#
# A structure has an exact table of columns, and that is the truth by which everything in this lesson is judged.

# %%
structure.columns.head(4)

# %% [markdown]
# A scanning transmission electron microscope adds a blurred spot for every column, whose strength grows with
# the atomic number ($\propto Z^{1.7}$), and counts electrons. In every pixel it expects
#
# $$ \mu(\mathbf r) = b(\mathbf r) + \sum_i \frac{N_i}{2\pi\sigma^2}
# \exp\!\left(-\frac{\lVert\mathbf r-\mathbf r_i\rVert^2}{2\sigma^2}\right), \tag{3.1} $$
#
# with $N_i$ electrons and a width $\sigma$ (its standard deviation) for a column at $\mathbf r_i$, over a
# background $b$; and it counts a Poisson number with that mean. What matters is the number of *detected electrons in the
# weakest column that we ask for*: here a single sulphur atom beside a vacancy. Two of them get twice as many, and
# molybdenum about five times.

# %%
instrument = simulate.Instrument(probe=0.09, source=0.06, drift=(0.05, 0.1), contamination=0.1)
images = {
    f"{n} electrons": (simulate.image(structure, electrons=n, instrument=instrument).data, None)
    for n in (10, 40, 160, 2560)
}
show(
    plotting.overlays(images, columns=4, zoom=0.6),
    alt="Four images of the same lattice; columns cannot be seen at 10 electrons and are smooth at 2560.",
)

# %% [markdown]
# **Figure 3.2.** The same place at four doses. At 10 electrons hardly anything is seen; at 40 the eye follows the rows
# and guesses; at 160 it is sure. And the network that came with the explorer, which trained on lattices at 50 electrons and
# more?

# %%
lost = {}
for n in (2, 3, 5, 10, 20):
    faint = simulate.image(structure, electrons=n, random_state=n)
    truth = faint.truth[faint.truth.scored]
    with warnings.catch_warnings(action="ignore"):  # the score says what the warning would
        seen = columns.find(faint.data, model="general", refine=False)
    lost[n] = metrics.match(seen, truth, tolerance=4, border=6, shape=faint.data.shape).f1
pd.Series(lost, name="F1 of the network").rename_axis("electrons").round(2).to_frame().T

# %% [markdown]
# It holds on longer than the eye, as rows help it, and then fails at once.
#
# ## 3 · A training set without end
#
# A network must not learn one image by heart. `Scenes` cuts random fields out of structures, turns and strains
# them, adds dirt, faulty scans and noise, and knows the answer: a small blob at every column.

# %%
training_structure = simulate.structures.transition_metal_dichalcogenide("MoS2", (10, 10))
scenes = columns.Scenes([training_structure], size=64, electrons=(50, 2000), disturbed=0.1, scale_error=0.08)
pictures, answers, _ = scenes.batch(6, seed=0)
show(
    plotting.scene_grid(pictures, answers),
    alt="Six noisy training images above six maps with a bright spot at every column.",
)

# %% [markdown]
# **Figure 3.3.** Six scenes (above) and the answers (below).
#
# ## 4 · A network, and how it learns
#
# AtomAI's network is a **U-Net**. An encoder halves the picture three times while it looks at larger and larger surroundings;
# a decoder brings it back to full size. For every pixel it says how probable a column is.

# %%
watched = pictures[0, 0]
trained_before = columns.load_model("general")  # comes with atomlens: the same network, with more filters
show(
    plotting.unet_schematic(watched, trained_before.probability(watched)[0]),
    alt="A noisy image enters a row of shrinking, then growing boxes, and leaves as a map of bright spots.",
)

# %% [markdown]
# **Figure 3.4.** A U-Net with a scene from above, and what a trained one makes of it.
#
# An untrained one has random weights. A measure of how wrong it is, the *loss*, is the **cross entropy** between answer $y$ and
# probability $p$ over all $P$ pixels,
#
# $$ \mathrm{CE} = -\frac1P\sum_{\text{pixels}} \left[\, y\log p + (1-y)\log(1-p) \,\right]. \tag{3.2} $$
#
# Training is a loop. A *step* takes a batch of fresh scenes, computes the loss and its slope with respect to every weight
# (`backward`), and moves all weights a little downhill (`step`). `columns.segmentor` builds AtomAI's own network.
#
# **Predict, then run.** The batches never repeat. Can this network learn its training set by heart?

# %%
torch.set_num_threads(1)
segmentor = columns.segmentor("Unet", n_classes=1, filters=8)
mine, net = columns.ColumnModel.from_segmentor(segmentor), segmentor.net
n_steps = budget(full=100, fast=40)
watch_at = [1, n_steps // 4, n_steps // 2, n_steps]

# %%
optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
losses, seen = [], {}
for step in range(1, n_steps + 1):
    net.train()
    images, answers, _ = map(torch.from_numpy, scenes.batch(8, seed=step))
    logits = net(images)  # log(p / (1 - p)), which may be any number
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, answers)  # equation (3.2)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    losses.append(loss.item())
    if step in watch_at:
        seen[step] = mine.probability(watched)[0]

# %% tags=["hide-input"]
figure, axes = plotting.new_figure(1, 5, size=(10.4, 2.5))
plotting.draw_crop(axes[0], watched, title="image")
for ax, (step, probability) in zip(axes[1:], seen.items(), strict=True):
    plotting.draw_crop(ax, probability, limits=(0, 1), title=f"step {step}, loss {losses[step - 1]:.2f}")
    ax.images[0].set_cmap("cividis")
show(
    figure,
    alt="A noisy image, and the map that the network makes of it at four steps: first grey, at last a spot a column.",
)

# %% [markdown]
# **Figure 3.5.** One scene, and what the network says about it while it learns. First it tells bright from dark, then it
# learns that most pixels are empty. By heart it can learn nothing: what it has seen once, it never sees again.
#
# Its test set: 16 scenes of other seeds. AtomAI's `predict` returns maps and the centres of mass of their blobs, as (row,
# column, class); it drops blobs near the border, so these are not scored. (`columns.quiet` keeps AtomAI from printing.)

# %%
fresh = [scenes.draw(seed) for seed in range(100_000, 100_016)]
with columns.quiet():
    maps, coordinates = segmentor.predict(np.concatenate([image for image, *_ in fresh]), norm=False)
scored = [
    metrics.match(coordinates[i][:, [1, 0]], truth, tolerance=2, border=7, shape=(64, 64))
    for i, (*_, truth) in enumerate(fresh)
]
unseen = np.mean([match.f1 for match in scored])
Markdown(
    f"Mean **F1 = {unseen:.3f}** on 16 unseen scenes; RMS distance {np.mean([m.rmse for m in scored]):.2f} px."
)

# %% tags=["hide-input"]
assert unseen > budget(full=0.95, fast=0.4)

# %% [markdown]
# ## 5 · From a map to a table
#
# The network is trained for images of one scale. `find` brings any image there: it removes hot pixels, measures
# the size of the features, resamples, asks the network block by block, and turns maxima into positions.

# %%
sample = simulate.image(structure, electrons=160, instrument=instrument, random_state=5)
found = columns.find(sample.data, model=mine, refine=False)
match = metrics.match(found, sample.truth, tolerance=4, border=4, shape=sample.data.shape)
show(
    plotting.columns_found(
        sample.data, found, truth=sample.truth, match=match, title="160 electrons", zoom=0.6
    ),
    alt="A noisy image, and the same image with a dot on every column.",
)

# %% [markdown]
# **Figure 3.6.** The table of our own network, drawn over an image that it has not seen, at another pixel size.
#
# ## 6 · Gaussians and multislice
#
# Equation (3.1) made the training set *and* the test. That is a short circle. A **multislice** simulation sends electron waves
# through the potential of the atoms, slice by slice: columns get tails, vibrate, and channel the beam. Some such images
# come with atomlens. For a fair pair we draw (3.1) by hand for the very table of truth of one.


# %%
def gaussians(truth, shape):
    """Equation (3.1) for a table of truth."""
    y, x = np.indices(shape)
    expected = np.full(shape, truth.background.median())
    for c in truth.itertuples():
        squared = (x - c.x) ** 2 + (y - c.y) ** 2
        expected += c.electrons / (2 * np.pi * c.sigma**2) * np.exp(-squared / (2 * c.sigma**2))
    return expected


def pair(name, electrons, seed):
    """The same columns by either theory, and how they are scored."""
    scattered = multislice.sample(name, electrons=electrons, random_state=seed)
    drawn = np.random.default_rng(seed).poisson(gaussians(scattered.truth, scattered.data.shape))
    width = scattered.truth.sigma.median()
    scoring = {"tolerance": 1.5 * width, "border": 3 * width, "shape": drawn.shape}
    return {"Gaussians": drawn.astype(float), "multislice": scattered.data.values}, scattered.truth, scoring


# %%
scattered = multislice.sample("mos2", electrons=100)
inner = {"x": slice(12, -12), "y": slice(12, -12)}  # columns beyond the frame are not in the table
expected = scattered.extras["expected"]
drawn = expected.copy(data=gaussians(scattered.truth, expected.shape))
figure, axes = plotting.new_figure(1, 3, size=(10.4, 3.5), width_ratios=[1, 1, 1.08])
for ax, (theory, image) in zip(axes, {"Gaussians": drawn, "multislice": expected}.items(), strict=False):
    plotting.draw_image(ax, image.isel(inner), title=theory)
rest = (expected - drawn).isel(inner).rename("electrons a pixel")
drawn_rest = plotting.draw_map(axes[2], rest, title="Multislice - Gaussians", cmap="RdBu_r")
drawn_rest.set_clim(-0.5, 0.5)
show(
    figure,
    alt="MoS2 by Gaussians, by multislice, and the difference, which has a pattern around each column.",
)

# %% [markdown]
# **Figure 3.7.** What is expected of the same columns, without noise. To the eye the two agree. But by multislice a
# column is lower in its middle and higher around it, most of all tungsten, the brightest,
# which replaces some molybdenum here.
#
# **Predict, then run.** A network that has seen nothing but Gaussians looks at multislice images. Will it do worse? Beside
# ours stand the *general* network, and a classical peer: maxima of a *difference of Gaussians* (a filter for spots of one
# size), tuned by an oracle who knows the truth.

# %% tags=["hide-input"]
rows = []
for n in budget(full=(5, 10, 20, 100), fast=(20,)):
    for seed in budget(full=(1, 2, 3), fast=(1,)):
        both, truth, scoring = pair("mos2", n, seed)
        for theory, image in both.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", columns.OutsideTrainedDomain)  # the score says enough here
                tables = {
                    "ours": columns.find(image, model=mine, refine=False),
                    "general": columns.find(image, model="general", refine=False),
                }
            f1 = {name: metrics.match(table, truth, **scoring).f1 for name, table in tables.items()}
            peaks = columns.best_peaks(image, truth, tolerance=scoring["tolerance"], border=scoring["border"])
            rows.append({"electrons": n, "images": theory, **f1, "oracle's peaks": peaks.attrs["f1"]})
theories = pd.DataFrame(rows).groupby(["electrons", "images"]).mean()
theories.round(3)

# %% [markdown]
# Hardly. Averaged over the draws, both theories give nearly the same score, for all three finders: a bright spot on a grid
# is what they look for, and that is there by either. With few electrons the general network is ahead: it sees that a faint
# spot continues a lattice. With many the peaks are as good, and simpler: use `columns.find_peaks` then.
#
# ## 7 · To the physical limit
#
# How well can the position of a column be known? Electrons are counted one by one, and each says where the
# column is to within $\sigma$. So $N$ of them give, without background and without neighbours,
#
# $$ \operatorname{sd}(x) \ge \frac{\sigma}{\sqrt N}. \tag{3.3} $$
#
# This is the Cramér-Rao bound; no unbiased method can beat it. With background and neighbours it is computed
# from the Fisher information (how sharply the likelihood peaks) of (3.1). To reach it, `refine` fits (3.1) to *all* columns
# together by maximum likelihood with Poisson statistics.
#
# **Predict, then run.** Will the fit of Gaussians also reach the bound on multislice images?


# %% tags=["hide-input"]
def along_an_axis(table, truth, scoring):
    """Error of one coordinate: of two that are alike, each has half of the squared distance."""
    return metrics.match(table, truth, **scoring).rmse / np.sqrt(2)


doses = budget(full=[50, 150, 500, 1500, 5000, 15000], fast=[1500])
errors, bounds = {}, {}
for n in doses:
    both, truth, scoring = pair("mos2", n, seed=n)
    scoring["border"] = 15  # columns beyond the frame, which no fit knows, disturb those at its rim
    errors[n] = {}
    for theory, image in both.items():
        rough = columns.find(image, refine=False)
        fine = columns.refine(image, rough, gain=1)  # one count an electron
        errors[n][f"fit, {theory}"] = along_an_axis(fine[fine.converged], truth, scoring)
        if theory == "Gaussians":
            pairs = metrics.match(fine, truth, **scoring).pairs
            z = (fine.x.to_numpy()[pairs[0]] - truth.x.to_numpy()[pairs[1]]) / fine.x_err.to_numpy()[pairs[0]]
            errors[n] = {
                "network alone": along_an_axis(rough, truth, scoring),
                **errors[n],
            }
    limit = columns.precision_limit(truth.rename(columns={"electrons": "intensity"}))
    bounds[n] = np.sqrt((limit[["x_err", "y_err"]] ** 2).to_numpy().mean())
precision = pd.DataFrame(errors).T

# %% tags=["hide-input"]
show(
    plotting.lines_against_dose(
        precision, ylabel="error of a coordinate (px)", limit=pd.Series(bounds), log=True,
        title="Positions of the columns of MoS2",
    ),
    alt="Error against electrons, log-log: the fit follows the dashed bound, the network levels off above it.",
)  # fmt: skip

# %%
ratio = precision.div(pd.Series(bounds), axis=0)
print(f"Gaussians, {doses[-1]} electrons: standard deviation of (x - truth) / x_err = {np.nanstd(z):.2f}")
endless = pair("mos2", 1e7, seed=0)[0]["multislice"]
fitted = columns.refine(endless, rough, gain=1)
floor = along_an_axis(fitted[fitted.converged], truth, scoring)
print(f"multislice, ten million electrons: error {floor:.3f} px")
ratio.round(2).rename_axis("error / bound, electrons")

# %% [markdown]
# **Figure 3.8.** The network alone levels off below a tenth of a pixel: it was never asked for more. Where electrons are few it
# even lies below the bound, because it is not unbiased: it *expects* a lattice. The fit of Gaussians to Gaussians follows
# the bound, and its own error bars say so: its errors, divided by them, have a standard deviation near 1. On multislice it
# leaves the bound at high dose: what is left is no noise, and even ten million electrons do not remove it. These columns are
# not quite Gaussians (Figure 3.7), and an error bar holds *if the model does*. (One draw a dose.)
#
# ## 8 · Real images
#
# Experimental images have no answer key. So look. (Where one cannot be downloaded, a phantom stands in, and the title says
# so.)

# %%
names = budget(
    full=["mos2_haadf_b", "cdte_twin", "pto_sro_haadf"],
    fast=["mos2_haadf_b", "pto_sro_haadf"],
)
measured = {name: datasets.load(name, or_phantom=True) for name in names}
tables = {name: columns.find(sample.data) for name, sample in measured.items()}

# %% tags=["hide-input"]
pd.DataFrame(
    {
        name: {
            "pixels": " x ".join(map(str, sample.data.shape)),
            "measured": sample.source["real"],
            "columns": len(tables[name]),
            "median score": round(tables[name].score.median(), 2),
            "median error (px)": round(tables[name].x_err.median(), 2),
        }
        for name, sample in measured.items()
    }
).T

# %% tags=["hide-input"]
titles = {
    name if s.source["real"] else f"{name} (phantom)": (s.data, tables[name]) for name, s in measured.items()
}
wide = {title: titles.pop(title) for title in list(titles) if title.startswith("pto")}
show(
    plotting.overlays(wide, columns=1),
    alt="A long image of layers of oxides, whole, with a dot on every column.",
)
show(
    plotting.overlays(titles, columns=2, zoom=0.5),
    alt="MoS2 with contamination, and CdTe with a boundary where rows bend; a dot on every column.",
)

# %% [markdown]
# **Figure 3.9.** A multilayer of oxides, whole. **Figure 3.10.** The middle of two others: molybdenum disulphide with vacancies,
# and a twin boundary in cadmium telluride. Errors are larger than in Section 7: noise
# is correlated from pixel to pixel here, which `find` measures and allows for.
#
# Now judge for yourself. Zoom in and move the threshold. Click a column: its place with its error, and its intensity. Where
# would you not trust a dot?

# %%
picture = measured["mos2_haadf_b"].data
widgets.column_finder(picture, name="picture")

# %% [markdown]
# ## 9 · Where it fails
#
# **Nothing there.** White noise is not turned into a lattice; atomlens says so, and returns an empty table.

# %%
noise = np.random.default_rng(0).poisson(5, (200, 200))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    print(len(columns.find(noise)), "columns in noise:", said[0].message)

# %% [markdown]
# **Unresolved.** Columns closer than about two of their widths melt together: here graphene under wider and wider
# probes. Past that the network still finds *something*, partly in the wrong places. The column `doubted` says whether `find`
# noticed; do not count on that. On your own image there is no truth: compare widths and distances.

# %%
graphene = simulate.structures.graphene((6, 6), rotation=8)
widths, medians, doubted = {}, {}, {}
for probe in (0.06, 0.10, 0.14, 0.18):
    wide = simulate.Instrument(probe=probe, source=0.0)
    image = simulate.image(graphene, electrons=300, instrument=wide, random_state=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", columns.OutsideTrainedDomain)  # whether it doubts is in the table
        found = columns.find(image.data, refine=False)
    across = round(0.142 / (probe / 2.355), 1)
    widths[across] = metrics.match(found, image.truth, tolerance=2.5, border=4, shape=image.data.shape)
    medians[across], doubted[across] = found.score.median(), bool(found.attrs["doubts"])
unresolved = metrics.match_table(widths, name="distance / width")[["f1", "precision", "recall", "rmse"]]
unresolved.assign(median_score=medians, doubted=doubted).round(2)

# %% [markdown]
# **Out of domain.** Single platinum atoms on a cloudy film of carbon, labelled by hand. The general network was trained on
# lattices first of all.

# %%
labelled = datasets.load("pt_single_atoms/055", or_phantom=True)
truth = labelled.truth if "scored" not in labelled.truth else labelled.truth[labelled.truth.scored]
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    found = columns.find(labelled.data, model="general", refine=False)
match = metrics.match(found, truth, tolerance=6, shape=labelled.data.shape)
print("\n".join(str(warning.message) for warning in said) or "no warning")
title = "Pt on carbon" if labelled.source["real"] else "Pt on carbon (phantom)"
show(
    plotting.columns_found(labelled.data, found, truth=truth, match=match, title=title),
    alt="A cloudy film with bright specks, and the same with dots, many of them crossed out as false.",
)

# %% [markdown]
# **Figure 3.11.** Rings are labelled atoms that it missed, crosses are dots without a label; above the figure stands what this
# network said of its trouble. No warning is no promise. (Hand labels are no planted truth: a human, too, had to decide where a lump ends and an atom begins.)

# %% [markdown] tags=["skip"]
# **Predict, then run.** Dots are drawn where the score exceeds a threshold. Will another one do?

# %%
by_threshold = {}
for threshold in (0.2, 0.4, 0.6, 0.8):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", columns.OutsideTrainedDomain)
        found = columns.find(labelled.data, model="general", refine=False, threshold=threshold)
    by_threshold[threshold] = metrics.match(found, truth, tolerance=6, shape=labelled.data.shape)
metrics.match_table(by_threshold, name="threshold")[["f1", "precision", "recall"]].round(2)

# %% [markdown]
# It only trades false dots for missed atoms: faint atoms and lumps of the film score alike. The remedy is another training
# set, `columns.train(films, start=general)`. Lesson 03b measures on several images how far it helps.
#
# <div class="alert alert-block alert-warning">
#
# **Your own image**
#
# ```python
# found = al.columns.find(al.io.read("my_image.dm4"))
# found.to_csv("columns.csv")
# ```
#
# Read what it warns of (`found.attrs["doubts"]`), and leave out what is no specimen with `mask=`. The
# [exercises](exercises/03_atom_finding.ipynb) give every student their own images.
#
# </div>
#
# ## What stays

# %% tags=["hide-input"]
last = ratio.iloc[-1]
least = theories.loc[theories.index[0][0]]
findings(
    f"""* Theory makes the training set, so nobody labels images. {n_steps} steps gave F1 = {unseen:.3f} on unseen scenes
  of one lattice (n = 1 training).
* Trained on Gaussians, our network scored {theories.ours.xs("multislice", level=1).iloc[-1]:.3f} on multislice images
  with {theories.index[-1][0]} electrons, and {theories.ours.xs("Gaussians", level=1).iloc[-1]:.3f} on Gaussians.
* With {theories.index[0][0]} electrons the general network reached {least["general"].mean():.2f}, the oracle's peaks
  {least["oracle's peaks"].mean():.2f}.
* With {doses[-1]} electrons the error of the fit is {last["fit, Gaussians"]:.2f} times the Cramér-Rao bound on Gaussians,
  and {last["fit, multislice"]:.2f} times on multislice: there the model, not the noise, is the limit."""
)

# %% [markdown]
# [Lesson 03b](03b_more_atom_finding.ipynb): what is said of such networks, as experiments; dirt, ensembles,
# rare things, hand labels, and detectors that spoil the noise. Next comes
# [lesson 04](04_local_crystallography.ipynb), which begins with this table.
