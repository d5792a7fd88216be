# %% [markdown]
# # 02 · Descriptors
#
# **You will** turn an image, a table of atoms and a movie into rows of numbers, in four ways · say of each what it
# assumes, and measure what it cannot see · map the two halves of a twinned crystal without labels · find again what
# you have seen once
#
# **Needs** what a Fourier transform is; lesson 01 for clusters and their score · **Time** 45 min to read and
# play, about a minute to run
#
# No method of machine learning sees an image. It sees rows of numbers, and whoever makes these rows decides what can
# be learned from them. A good descriptor forgets what does not matter, such as where a window was cut, and keeps what
# does. What it forgets is its *physical prior*, and it is better to choose that than to have it happen.

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, PCA
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

# %%
from atomlens import columns, datasets, descriptors, lattice, metrics, plotting, simulate, widgets, windows
from atomlens.descriptors import (
    NeighbourDescriptor,
    SubImageDescriptor,
    TimeDelayDescriptor,
    WindowDescriptor,
)
from atomlens.notebook import budget, show
from atomlens.patterson import patterson, tapered_size, translation_spread

# %% [markdown]
# ## 1 · One image, and what we know of it
#
# The image is simulated after a real one that follows below: cadmium telluride along [110], with a twin boundary
# through the field. Contamination, drift and scan jitter are planted as well. Of every column it is known in which
# half of the twin it is.

# %%
sample = datasets.load("cdte_boundary_twin")
image = windows.flatten(sample.data)  # without the slow changes of brightness
sample

# %%
part = sample.truth[sample.truth.y.between(128, 383)]
figure, (left, right) = plotting.new_figure(1, 2, size=(10.4, 2.9))
plotting.draw_image(left, sample.data[128:384], title="The middle of the image")
plotting.draw_phases(right, part, part.domain, title="What was planted", size=9)
show(figure, alt="An image of dumbbells with a slanted boundary, and its columns in two colours.")

# %% [markdown]
# **Figure 2.1.** The pairs of bright dots, "dumbbells", lean to different sides in the two halves. No brightness and
# no average tells one half from the other: only the arrangement does.
#
# A descriptor is a function $f$ from what is seen at one place to a row of $d$ numbers. It is *blind* to a change $g$
# of the specimen if
#
# $$ f(g\,x) = f(x) \quad\text{for all } x . \tag{2.1} $$
#
# Four families of descriptors are in use for atomic-resolution data. All of them are scikit-learn transformers here,
# and each says what it assumes and what it promises not to see:

# %%
families = [WindowDescriptor, NeighbourDescriptor, SubImageDescriptor, TimeDelayDescriptor]
lines = [f"- `{f.__name__}`. Prior: {f.prior}. Blind to {', '.join(f.blind_to)}." for f in families]
Markdown("\n".join(lines))

# %% [markdown]
# The four families, and the priors behind them, are those of the literature. Windows, Patterson functions and a
# classifier without labels were put together by Guo and colleagues (npj Computational Materials 7, 180, 2021). Sizes,
# steps, tapers and the blanked centre are ours: their parameters are not known here.
#
# ## 2 · Windows, and the Patterson function
#
# **Prior: within a window the specimen repeats.** Slide a window over the image. Its pixels depend on where in the
# unit cell it happens to begin, and that means nothing. But a shift changes only the phases of the Fourier
# coefficients, so their moduli do not depend on it, and neither does the *Patterson function*, their way back to real
# space:
#
# $$ P(\mathbf r) = \mathcal F^{-1}\, |\mathcal F (p - \bar p)|^2 = \sum_{\mathbf s}
# (p(\mathbf s) - \bar p)\,(p(\mathbf s + \mathbf r) - \bar p), \tag{2.2} $$
#
# the autocorrelation of the window $p$ (A. L. Patterson, Physical Review 46, 372, 1934). It has a peak at every
# vector $\mathbf r$ that joins two columns. By hand it is one line, and the same as the package's:

# %%
patch = image.values[100:159, 60:139]
by_hand = np.fft.fftshift(np.fft.ifft2(np.abs(np.fft.fft2(patch - patch.mean())) ** 2).real)
ours = patterson(patch, half=False, normalize=False)
difference = np.abs(ours - by_hand).max() / by_hand.max()
assert difference < 1e-5
print(f"largest difference: {difference:.0e} of the peak")

# %% [markdown]
# `WindowDescriptor` needs no numbers. It finds the lattice, and takes windows of about three cells, fading out
# towards their borders, a third of a cell apart. The figure shows three of them.

# %%
describe = WindowDescriptor().fit(image)
features = describe.transform(image)
print(describe.lattice_)
print(f"windows of {describe.size_} pixels, taper: {describe.taper_}; features: {features.shape}")

# %%
chosen = pd.DataFrame({"x": [110.0, 121.0, 400.0], "y": [300.0, 381.0, 200.0]})
figure = plotting.window_transforms(image, chosen, describe.size_, blank_center=describe.blank_center_)
show(figure, alt="Three windows: two of one grain with equal Patterson functions, one of the other.")

# %% [markdown]
# **Figure 2.2.** Windows 0 and 1 begin at different places of the unit cell, and look different. Their Fourier
# moduli and Patterson functions agree. Those of window 2, beyond the boundary, lean to the other side. (Red: positive;
# blue: negative; the centre is blanked, since the sum of squares stands there, noise included.)
#
# In numbers: distances between rows of features, within one half of the twin and between the two, for raw pixels and
# for Patterson functions. An unsupervised method can separate what is far apart between and close within.


# %%
def nearest(table, places):
    """Row of the table that is nearest to each place."""
    return cKDTree(table[["x", "y"]]).query(places[["x", "y"]])[1]


domain = sample.truth.domain.to_numpy()[nearest(sample.truth, describe.positions_)]


# %%
def between_to_within(rows):
    """Median distance between the halves, in units of that within them."""
    left, right = rows[domain == 0][::9], rows[domain == 1][::9]
    within = np.concatenate([cdist(half[::2], half[1::2]).ravel() for half in (left, right)])
    return np.median(cdist(left, right)) / np.median(within)


# %%
raw = windows.sliding_windows(image.values, describe.size_, step=describe.step_).reshape(len(domain), -1)
ratio_raw, ratio_patterson = between_to_within(raw), between_to_within(features)
Markdown(f"Between / within: {ratio_raw:.2f} for raw pixels, {ratio_patterson:.1f} for Patterson functions.")

# %% [markdown]
# ### The window must fit the lattice
#
# The independence of (2.2) from the shift is not free. The transform continues a window periodically, so that its
# edges must fit together; or else a taper must hide the edges, and then there must be enough cells for the taper to
# weigh them equally. `translation_spread` measures it on a perfect crystal, as the scatter of $P$ over 200 windows cut
# at random. With 0.1 or more, the place of the cut outweighs most defects.

# %%
perfect = simulate.image(simulate.structures.dumbbells("CdTe", (8.0, 8.0))).data
known = lattice.estimate(perfect)
sizes = {
    "does not fit": (28, 28),
    "one cell": windows.commensurate_size(known)[0],
    "three cells": tapered_size(known),
}

# %%
spread = {
    f"{name}, {size[0]} × {size[1]} px": [translation_spread(perfect, size, taper=t) for t in (None, "hann")]
    for name, size in sizes.items()
}
pd.DataFrame(spread, index=["no taper", "Hann taper"]).T.round(3)

# %% [markdown]
# One cell that fits needs no taper, and must not have one; three cells want one. A window that fits nothing is bad
# either way. Lesson 05 is about this in earnest.
#
# ## 3 · Maps without labels: PCA and NMF
#
# Each window is now a point in a space of many dimensions. Principal components (PCA) ask along which directions the
# points scatter most; non-negative factors (NMF) ask of which few patterns every row is a sum. Either gives a map for
# every component, and a component can be drawn, since it is a row of features itself. Sliding windows, Fourier
# transforms and a linear unmixing go back to Vasudevan and colleagues (Applied Physics Letters 106, 091601, 2015).

# %%
pca = PCA(3, random_state=0).fit(features)
figure = plotting.component_maps(describe, features, pca)
show(
    figure,
    alt="Maps of three components: the halves, the boundary, its two sides; and their patterns.",
)

# %% [markdown]
# **Figure 2.3.** The first component is the twin: one half against the other, and its pattern, below, is the
# difference of the two Patterson functions. The second is high along the boundary, where a window sees both halves;
# the third tells the two sides of the boundary apart.
#
# The score: two clusters of rows against the planted halves, as the adjusted Rand index (ARI, lesson 01),
# which is 1 if both agree and about 0 if they do so by chance alone. Windows that lie across the boundary
# belong to both halves, so the score is given with and without them.

# %%
scores = pca.transform(features)
labels = KMeans(2, n_init=5, random_state=0).fit_predict(scores)
halves = [cKDTree(half[["x", "y"]]) for _, half in sample.truth.groupby("domain")]
gap = np.max([half.query(describe.positions_[["x", "y"]])[0] for half in halves], axis=0)
across = gap < max(describe.size_) / 2

# %%
ari_all = metrics.adjusted_rand_index(labels, domain)
ari_inside = metrics.adjusted_rand_index(labels[~across], domain[~across])
Markdown(f"**Score.** ARI {ari_all:.3f} for all windows, {ari_inside:.3f} for those within one half.")

# %% [markdown]
# NMF wants no negative numbers, so it gets the moduli of the Fourier transform. Its factors are not differences but
# ingredients, one for each half:

# %%
moduli = WindowDescriptor(describe.size_, step=budget(full=8, fast=16), kind="fft")
waves = moduli.fit_transform(image)
nmf = NMF(2, init="nndsvda", random_state=0, max_iter=300).fit(waves)

# %%
figure = plotting.component_maps(moduli, waves, nmf)
show(figure, alt="Two factors, each bright in one half of the twin, with the spots of this half.")
amounts = nmf.transform(waves)
larger = (amounts / amounts.mean(axis=0)).argmax(axis=1)
planted = sample.truth.domain.to_numpy()[nearest(sample.truth, moduli.positions_)]
ari_nmf = metrics.adjusted_rand_index(larger, planted)
Markdown(f"**Score.** ARI {ari_nmf:.3f}, each window given to its larger factor.")

# %% [markdown]
# **Figure 2.4.** Each factor is at home in one half, and its pattern holds the Bragg spots of this half.
#
# ### Real: a twin in cadmium telluride
#
# The measured image. `or_twin=True` has nothing to do with twins of crystals: without the file, it loads the
# simulated "twin" of the data set, here the image from above. The same three lines; nothing is tuned.

# %%
flat = windows.flatten(datasets.load("cdte_twin", or_twin=True).data)
on_real = WindowDescriptor().fit(flat)
real = on_real.transform(flat)
real_pca = PCA(3, random_state=0).fit(real)

# %%
figure = plotting.component_maps(on_real, real, real_pca, image=flat, title="Real: CdTe")
show(figure, alt="Maps of three components of the real image: halves, boundary, stripes.")

# %% [markdown]
# **Figure 2.5.** As in the simulation, the first component is the twin and the second is high along the boundary. The
# third shows horizontal stripes, as scan lines make them that are shifted against each other: the microscope, not the
# specimen. A descriptor that is blind to brightness is not blind to distortions.
#
# ### Real: a grain boundary in iron

# %%
iron = windows.flatten(datasets.load("fe_grain_boundary", or_twin=True).data)
on_iron = WindowDescriptor().fit(iron)
grains = on_iron.transform(iron)
iron_pca = PCA(3, random_state=0).fit(grains)

# %%
figure = plotting.component_maps(on_iron, grains, iron_pca, image=iron, title="Real: iron")
show(figure, alt="Maps of three components of two grains of iron, and their patterns.")

# %% [markdown]
# **Figure 2.6.** Two grains that are turned against each other, and their boundary. One more region shows in the
# second and third components: the upper left corner, where the columns are smeared into streaks. It is no third
# grain. Whether a component is a phase or the microscope is for the reader to say; the pattern below it helps.
#
# ## 4 · Neighbour vectors
#
# **Prior: there are atoms at definite places, and what matters of an atom is where its neighbours are.** The image is
# gone once the columns are found (lesson 03), and with it brightness and species. The vectors to the neighbours are
# ordered by a lattice, so that number 1 is the same neighbour everywhere (lesson 04 is built on them). Here a row is
# a dumbbell, found as one blob, with its six neighbours.

# %%
blobs = columns.find_peaks(image, sigma=4.5)
around = NeighbourDescriptor(n_neighbors=6)
vectors = around.fit_transform(blobs)

# %%
half = sample.truth.domain.to_numpy()[nearest(sample.truth, around.positions_)]
print(f"{len(vectors)} of {len(blobs)} dumbbells have a row; of each half: {np.bincount(half, minlength=2)}")

# %% [markdown]
# Only one half has rows at all. A lattice was fitted, and beyond the boundary nothing is where this lattice wants it.
# What is left over has a lattice of its own, and that is a segmentation, too:

# %%
left_over = blobs.drop(index=around.positions_.index)
second = NeighbourDescriptor(n_neighbors=6).fit(left_over)
grains = pd.concat([around.positions_.assign(grain=0), second.positions_.assign(grain=1)])

# %%
of = sample.truth.domain.to_numpy()[nearest(sample.truth, grains)]
ari_grains = metrics.adjusted_rand_index(grains.grain.to_numpy(), of)
Markdown(f"**Score.** ARI {ari_grains:.3f} over the {len(grains)} dumbbells of {len(blobs)} that have a row.")

# %% [markdown]
# ## 5 · Sub-images
#
# **Prior: there are atoms, and what matters of an atom is what is seen around it.** No lattice is needed, only
# places. The picture around each one is cut out at sub-pixel precision, its mean subtracted and its length set to
# one. k-means makes two kinds of them; the figure shows where they are and what they look like on average.

# %%
look = SubImageDescriptor()
shots = look.fit_transform((image, blobs))
kinds = KMeans(2, n_init=5, random_state=0).fit_predict(PCA(5, random_state=0).fit_transform(shots))

# %%
of = sample.truth.domain.to_numpy()[nearest(sample.truth, look.positions_)]
ari_shots = metrics.adjusted_rand_index(kinds, of)
Markdown(f"**Score.** ARI {ari_shots:.3f} over {len(kinds)} dumbbells.")

# %%
mean = look.inverse_image(np.array([shots[kinds == k].mean(axis=0) for k in (0, 1)]))
figure, (left, middle, right, last) = plotting.new_figure(1, 4, size=(10.4, 3))
plotting.draw_phases(left, grains, grains.grain, title="4: by lattice", size=14)
plotting.draw_phases(middle, look.positions_, kinds, title="5: by sub-image", size=14)
for k, ax in enumerate((right, last)):
    plotting.draw_patch(ax, mean[k], title=f"Mean of label {k}")
show(figure, alt="Dumbbells in two colours, twice, and two mean pictures that are mirror images.")

# %% [markdown]
# **Figure 2.7.** Both find the two halves (blue: label 0; orange: label 1). By lattice, a dumbbell at the
# boundary has no row, as it lacks a neighbour; by sub-image it has. At the border neither has one: there the
# picture is cut off, too. The means show what the labels mean.
#
# ## 6 · Time-delayed stacks
#
# **Prior: what happens next depends on what happened just before, in the same way at any time.** A movie has one more
# axis. A *stack* is what was seen at one place in several frames, one after the other, written as one row: the delay
# embedding of a dynamical system (Takens, Lecture Notes in Mathematics 898, 366, 1981).
#
# The movie is planted. In every block of 2 × 2 columns one heavy atom hops from column to column, in half of the
# blocks clockwise, in the others not. In each frame it hops with a probability of one half.

# %%
movie = simulate.movies.circling_dopants(6, n_frames=budget(full=40, fast=20), hop=0.5, random_state=1)
delays = TimeDelayDescriptor(5, size=20)
stacks = delays.fit_transform(movie.data)

# %%
rows = [movie.truth.index[movie.truth.direction == d][0] for d in (1, -1)]
shown = {f"block {r}": delays.inverse_image(stacks[r])[0] for r in rows}
figure = plotting.pictures(shown, columns=[f"frame {n}" for n in range(5)])
show(figure, alt="Two rows of five frames with four columns each; the brightest one moves.")

# %% [markdown]
# **Figure 2.8.** Two rows of features, drawn: the brightest column moves. Which of the two goes clockwise?
# The upper one, as the order of its frames shows.
#
# From a single frame nobody can say. From $d$ frames one can, if there was a hop in between: a perfect observer is
# right with probability
#
# $$ 1 - \tfrac12 (1 - p)^{\,d-1}. \tag{2.3} $$
#
# A nearest-neighbour classifier, asked about blocks that it was not trained on, should come close:


# %%
def guess(movie, delays, spacing=1):
    """Share of stacks whose direction is told right, in blocks not seen before."""
    describe = TimeDelayDescriptor(delays, spacing=spacing, size=20)
    rows = PCA(4 * delays, random_state=0).fit_transform(describe.fit_transform(movie.data))
    block = nearest(movie.truth, describe.positions_)
    right = movie.truth.direction.to_numpy()[block]
    return cross_val_score(KNeighborsClassifier(5), rows, right, groups=block, cv=GroupKFold(6)).mean()


# %%
numbers = np.arange(1, budget(full=6, fast=3))
told = pd.DataFrame({"measured": [guess(movie, d) for d in numbers]}, index=numbers)
perfect_observer = pd.Series(1 - 0.5**numbers, index=numbers, name="perfect observer")

# %%
figure, ax = plotting.new_figure(size=(6.6, 4))
names = {"xlabel": "frames in a stack", "ylabel": "direction told right (share)"}
plotting.draw_lines(ax, told, expected=perfect_observer, **names)
ax.set_xticks(numbers)
show(figure, alt="The share that is right rises from a half with the number of frames, along theory.")
worst = np.abs(told.measured - perfect_observer).max()
Markdown(f"Largest difference from (2.3): {worst:.3f}.")

# %% [markdown]
# **Figure 2.9.** One frame is worth a coin toss, and every further one halves what is missing. What a descriptor does
# not hold, no classifier finds.
#
# ## 7 · What each one does not see, measured
#
# A promise of blindness can be tested. `descriptors.blindness` compares the rows of a *changed* specimen with
# those of the original, and asks how far away the nearest one is, in units of the same distance for a second record
# that differs by noise alone. A ratio of 1 is blind.
#
# Germanium, gallium arsenide and zinc selenide have their atoms at the same places, within a few parts in a
# thousand. In Ge both atoms of a dumbbell are alike; in GaAs they differ by two in atomic number, in
# ZnSe by four. "Other species" makes GaAs of Ge, and ZnSe of GaAs.


# %%
def record(atoms, seed, rotation=0.0):
    """Image of a crystal of dumbbells of these two atomic numbers."""
    cells = simulate.structures.dumbbells("GaAs", (8.0, 8.0), rotation=rotation).columns
    cells["weight"] = np.array(atoms)[cells.label] ** 1.7
    return simulate.image(cells, shape=(400, 400), electrons=6000, random_state=seed).data.values


# %%
def changes(atoms, others):
    """The same specimen after five changes, each with noise of its own."""
    return {
        "translated": record(atoms, 2)[27:307, 29:309],
        "contrast ×3": 3 * record(atoms, 3)[20:300, 20:300] + 500,
        "inverted": record(atoms, 4)[20:300, 20:300][::-1, ::-1],
        "turned 15°": record(atoms, 5, 15)[60:340, 60:340],
        "other species": record(others, 6)[20:300, 20:300],
    }


# %%
def tagged(image):
    """Columns with their sublattice, told by brightness."""
    return lattice.assign_sublattices(columns.find_peaks(image))


to_test = {
    "Patterson": (WindowDescriptor(), np.asarray),
    "Fourier": (WindowDescriptor(kind="fft"), np.asarray),
    "neighbours": (NeighbourDescriptor(n_neighbors=3), columns.find_peaks),
    "neighbours,\nspecies known": (NeighbourDescriptor(n_neighbors=3, center=0, neighbors=1), tagged),
    "sub-images": (SubImageDescriptor(), np.asarray),
}

# %%
crystals = {"Ge: both alike": ((32, 32), (31, 33)), "GaAs: two species": ((31, 33), (30, 34))}
seen = {}
for crystal in budget(full=list(crystals), fast=["GaAs: two species"]):
    atoms, others = crystals[crystal]
    pair = [record(atoms, seed)[20:300, 20:300] for seed in (0, 1)]
    after = changes(atoms, others)
    for name, (descriptor, ready) in to_test.items():
        if "known" in name and atoms[0] == atoms[1]:
            continue  # nothing to tell them by
        seen.setdefault(crystal, {})[name] = descriptors.blindness(
            descriptor, *map(ready, pair), {change: ready(data) for change, data in after.items()}
        )

# %%
figure = plotting.blindness(seen)
show(figure, alt="Two tables of descriptors against changes, grey where a descriptor is blind.")

# %% [markdown]
# **Figure 2.10.** Above, how likely it is that a changed row is further away than an unchanged one (0.5: as
# likely as not; 1: always); below, how much further. Grey: blind, which is to say that the probability is
# below 0.75 and the ratio below 1.5. Nobody sees a translation or a change of contrast, everybody sees a
# rotation. Species are invisible to positions. Here, where they change by one in atomic number, they are too
# faint for single sub-images. A window averages over many columns: Fourier moduli see the change in both
# crystals, Patterson functions in gallium arsenide alone. Both hold the same information, but weigh it
# differently: the square in (2.2) lets the strong peaks dominate, and a change of species is in the weak
# ones.
#
# **Inversion is the trap.** In germanium nobody sees it, but that is no property of neighbours or sub-images: the
# *crystal* has an inversion centre, so there is nothing to see. In gallium arsenide there is. Sub-images see it, and
# neighbours see it if they know the species. Windows do not: the Patterson function of any object is the same as that
# of the inverted one. A descriptor is judged on a specimen that has no symmetry to hide behind.
#
# Stacks have a symmetry of their own: time. Frames of a clockwise movie played backwards, or taken later:

# %%
circling = simulate.movies.circling_dopants
clockwise = [circling(4, n_frames=30, direction=1, random_state=s).data for s in range(4)]
after = {"later": clockwise[2][10:], "backwards": clockwise[3][19::-1], "contrast ×3": 3 * clockwise[2][:20]}
stacked = {"1 frame": TimeDelayDescriptor(1, size=20), "4 frames": TimeDelayDescriptor(4, size=20)}
pair = clockwise[0][:20], clockwise[1][:20]

# %%
in_time = {name: descriptors.blindness(stack, *pair, after) for name, stack in stacked.items()}
figure = plotting.blindness({"Movie": in_time})
show(figure, alt="A table: one frame is blind to time running backwards, four frames are not.")

# %% [markdown]
# **Figure 2.11.** Stacks are blind to absolute time, as promised. Only stacks of several frames see its direction.
# Raw pixels are not blind to contrast: here nothing is normalised.
#
# ## 8 · Look-alikes
#
# Rows of features can be searched. Point at a window, and ask where in the image there is something like it. The
# window is the one with the most of component 2 (figure 2.3); windows that overlap it or each other are left out.

# %%
row = int(np.abs(scores[:, 1]).argmax())
keep_apart = {"positions": describe.positions_, "apart": max(describe.size_)}
found, distances = descriptors.look_alikes(features, row, 5, **keep_apart)
figure = plotting.look_alikes(image, describe, row, found, distances, title="Simulated")
show(figure, alt="Six framed windows: the chosen one and most others lie on the boundary.")

# %%
hit = across[found]
Markdown(
    f"Of {len(found)} look-alikes, {hit.sum()} lie on the boundary, at distances up to "
    f"{distances[hit].max():.2f}. The nearest of the others has {distances[~hit].min():.2f}."
)

# %% [markdown]
# **Figure 2.12.** The nearest windows lie along the boundary. When it has no room for more, the search goes on and
# brings what is left: there is always a nearest row. Only the distance, printed above each window, says whether it is
# near. The explorer below searches the real image.
#
# ## 9 · Where it fails
#
# **A window smaller than the cell.** Then the vectors that tell the halves apart do not fit into it. Below, the score
# of section 3 against the size of square windows. **Too few electrons.** A window averages over many columns; a
# sub-image has to find each one first.


# %%
def score_windows(image, truth, size=None):
    """ARI of two clusters of windows against the planted halves."""
    describe = WindowDescriptor(size, step=16).fit(image)
    reduced = PCA(4, random_state=0).fit_transform(describe.transform(image))
    found = KMeans(2, n_init=3, random_state=0).fit_predict(reduced)
    return metrics.adjusted_rand_index(found, truth.domain.to_numpy()[nearest(truth, describe.positions_)])


# %%
def score_columns(image, truth):
    """The same for sub-images of dumbbells."""
    describe = SubImageDescriptor(49)
    shots = describe.fit_transform((image, columns.find_peaks(image, sigma=4.5)))
    found = KMeans(2, n_init=3, random_state=0).fit_predict(PCA(5, random_state=0).fit_transform(shots))
    return metrics.adjusted_rand_index(found, truth.domain.to_numpy()[nearest(truth, describe.positions_)])


# %%
sides = budget(full=[12, 15, 18, 24, 32, 48, 64, 96, 128], fast=[12, 24, 64])
by_size = pd.DataFrame({"windows": [score_windows(image, sample.truth, n) for n in sides]}, index=sides)

# %%
twin = simulate.structures.dumbbells("CdTe", (8.0, 8.0), twin=True, rotation=65.0)
by_dose = {}
for dose in budget(full=[0.3, 1, 3, 10, 30, 100], fast=[3, 100]):
    dim = simulate.image(twin, electrons=dose, random_state=0)
    by_dose[dose] = {
        "windows": score_windows(dim.data, dim.truth, (59, 79)),
        "sub-images": score_columns(dim.data, dim.truth),
    }
by_dose = pd.DataFrame(by_dose).T

# %%
figure, (left, right) = plotting.new_figure(1, 2, size=(10.4, 3.8))
period = describe.lattice_.spacing
names = {"xlabel": "side of the window (px)", "ylabel": "ARI", "log": True}
plotting.draw_lines(left, by_size, mark=(period, "shortest lattice vector"), **names)
plotting.lines_against_dose(by_dose, ylabel="ARI", ax=right)
right.set_xlabel("electrons in the weakest column")
show(figure, alt="Two curves: the score jumps just below the size of a cell, and rises with dose.")
leads = by_dose.index[by_dose["sub-images"] > by_dose["windows"]]
Markdown(f"Of the doses tried, sub-images lead from {leads.min():g} electrons on.")

# %% [markdown]
# **Figure 2.13.** Left: the score rises steeply just below the shortest lattice vector; much smaller windows
# hold too little of a cell to compare. Above, nearly everything is good enough to tell two *halves*; defects
# are harder to please (lesson 05). Right: at an electron a column no finder finds them, but windows still see
# the halves. With electrons enough the order changes, since every sub-image is centred on a column of one half,
# while windows lie anywhere, on the boundary too.
#
# **Inverted domains.** Gallium arsenide in which gallium and arsenic change places half-way across the field,
# as they do where two grains began on terraces one atomic step apart, of a substrate such as germanium
# ("antiphase domains"). To the Patterson function there is no boundary, at any dose: that is theory, not a
# matter of tuning. Sub-images see it.

# %%
cells = simulate.structures.dumbbells("GaAs", (8.0, 8.0)).columns
cells["domain"] = (cells.x_nm > 4).astype(int)
cells["weight"] = np.where((cells.label == 0) == (cells.domain == 0), 31, 33) ** 1.7
inverted = simulate.image(cells, shape=(400, 400), electrons=6000, random_state=0)

# %%
ari_inverted = score_windows(inverted.data, inverted.truth)
ari_seen = score_columns(inverted.data, inverted.truth)
Markdown(f"ARI {ari_inverted:.3f} with Patterson functions, {ari_seen:.3f} with sub-images.")

# %% [markdown]
# **Neighbours without their lattice** have no row: section 4. And **stacks that are too slow**: if every atom hops in
# every frame, and only every second frame is used, it is always opposite to where it was. Clockwise or not, it looks
# the same.

# %%
hurried = simulate.movies.circling_dopants(6, n_frames=20, hop=1.0, random_state=2)
fast_enough, too_slow = (guess(hurried, 4, spacing=n) for n in (1, 2))
Markdown(f"Direction told right: {fast_enough:.2f} from every frame, {too_slow:.2f} from every second one.")

# %% [markdown]
# ## 10 · Explore
#
# Drag the window over the image, or over the map. Change its size and features. Where is the window seen again?
# Below the size of a cell, the map falls apart.

# %%
explorer = widgets.descriptor_explorer(flat, name="flat")
explorer

# %%
boundary = np.abs(real_pca.transform(real)[:, 1]).argmax()
explorer.model.select(*on_real.positions_.loc[boundary, ["x", "y"]])
show(explorer.figure, alt="An image with framed windows, a map of distances, and three transforms.")

# %% [markdown]
# **Figure 2.14.** The explorer, after a click on the boundary: the window (orange) and its look-alikes (blue); how
# far every window is from it (dark: near); its pixels, transform and Patterson function.
#
# Your own image takes a few lines:
#
# ```python
# image = windows.flatten(io.read("my_image.dm4"))
# describe = WindowDescriptor().fit(image)
# features = describe.transform(image)
# maps = describe.map(PCA(3).fit_transform(features))  # a DataArray, in nm
# ```
#
# ## What to take home

# %%
Markdown(
    f"- A Patterson function forgets where its window was cut (spread {spread[list(spread)[2]][1]:.3f} with three "
    f"cells and a taper), so that two clusters find a twin without labels: ARI {ari_inside:.3f} within the halves, "
    f"{ari_all:.3f} with the boundary.\n"
    f"- What a descriptor forgets is gone: inverted domains give ARI {ari_inverted:.2f} with windows, {ari_seen:.2f} "
    f"with sub-images; a single frame tells a direction no better than a coin ({told.measured.iloc[0]:.0%}), "
    f"{numbers[-1]} frames in {told.measured.iloc[-1]:.0%} of all cases.\n"
    f"- Measure blindness, on a crystal without symmetry to hide behind; and read the distance of a look-alike "
    f"({distances[0]:.2f} to {distances[-1]:.2f} above), not its rank."
)

# %% [markdown]
# **Next:** the exercises to this lesson (`exercises/02_descriptors.ipynb`); then lesson 03 finds the columns that
# neighbours and sub-images need.
