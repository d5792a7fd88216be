# %% [markdown]
# # 02 · Descriptors
#
# <div class="alert alert-block alert-info">
#
# **You will** turn an image, a table of atoms and a movie into rows of numbers, in four ways · say of each what it
# assumes, and measure what it cannot see · map the two halves of a twinned crystal without labels
#
# **Needs** what a Fourier transform is; [lesson 01](01_spectral_clustering.ipynb) for clusters and their score
# ([what to know first](before_you_start.md), [glossary](glossary.md)) · **Time** 45 min live
#
# </div>
#
# No method of machine learning sees an image. It sees rows of numbers, and whoever makes these rows decides what can
# be learned from them. A good descriptor forgets what does not matter, such as where a window was cut, and keeps what
# does. What it forgets is its *physical prior*, and it is better to choose that than to have it happen.

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from atomlens import columns, datasets, descriptors, lattice, metrics, plotting, simulate, widgets, windows
from atomlens.descriptors import (
    NeighbourDescriptor,
    SubImageDescriptor,
    TimeDelayDescriptor,
    WindowDescriptor,
)
from atomlens.notebook import budget, findings, show
from atomlens.patterson import patterson

# %% [markdown]
# ## 1 · Play before you read
#
# A measured image: cadmium telluride along [110], with a twin boundary, where one half of the crystal is the mirror image of
# the other. Drag the window over the image, or over the map. Where is it seen again? Then make it small: below the size of a
# cell, the map falls apart.

# %%
flat = windows.flatten(datasets.load("cdte_twin", or_phantom=True).data)  # without slow changes of brightness
explorer = widgets.descriptor_explorer(flat, name="flat")
explorer

# %%
show(explorer.figure, alt="An image with framed windows, a map of distances, and three transforms.")

# %% [markdown]
# **Figure 2.1.** The explorer as it opens: the window (orange) and its look-alikes (blue); how
# far every window is from it (dark: near); its pixels, transform and Patterson function. What makes two windows *near* is
# the subject of this lesson.
#
# ## 2 · Four families
#
# A descriptor is a function $f$ from what is seen at one place to a row of $d$ numbers. It is *blind* to a change $g$
# of the specimen if
#
# $$ f(g\,x) = f(x) \quad\text{for all } x . \tag{2.1} $$
#
# Four families are in use for atomic-resolution data:

# %%
show(
    plotting.descriptors_schematic(),
    alt="Dots of a crystal with overlapping windows; arrows to neighbours; a cut-out around a dot; a stack of frames.",
)

# %% [markdown]
# **Figure 2.2.** All are scikit-learn transformers here, and each says what it assumes, and to what it promises to be
# blind:

# %%
families = [WindowDescriptor, NeighbourDescriptor, SubImageDescriptor, TimeDelayDescriptor]
lines = [f"- `{f.__name__}`. Prior: {f.prior}. Blind to {', '.join(f.blind_to)}." for f in families]
Markdown("\n".join(lines))

# %% [markdown]
# Families and priors are those of the literature. Windows, Patterson functions and a
# classifier without labels were put together by Guo and colleagues (npj Computational Materials 7, 180, 2021). Sizes,
# steps, tapers and the blanked centre are ours: their parameters are not known here.
#
# We score them on a *phantom*, a simulated image whose answer is planted. It is made after the measured one, with
# contamination, drift and scan jitter; of every column it is known in which half of the twin it is.

# %%
sample = datasets.load("cdte_boundary_phantom")
image = windows.flatten(sample.data)  # without the slow changes of brightness
part = sample.truth[sample.truth.y.between(128, 383)]
figure, (left, right) = plotting.new_figure(1, 2, size=(10.4, 2.9))
plotting.draw_image(left, sample.data[128:384], title="The middle of the image")
plotting.draw_phases(right, part, part.domain, title="What was planted", size=9)
show(figure, alt="An image of dumbbells with a slanted boundary, and its columns in two colours.")

# %% [markdown]
# **Figure 2.3.** The pairs of bright dots, "dumbbells", lean to different sides in the two halves. No brightness and
# no average tells one half from the other: only the arrangement does.

# %% [markdown]
# ## 3 · Windows, and the Patterson function
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
# `WindowDescriptor` needs no numbers. It finds the lattice, and takes windows of about three cells, a third of a cell apart,
# that fade out towards their borders (*Hann taper*, a cosine that ends at zero).

# %%
describe = WindowDescriptor().fit(image)
features = describe.transform(image)
print(describe.lattice_)
print(f"windows of {describe.size_} pixels, taper: {describe.taper_}; features: {features.shape}")
chosen = pd.DataFrame({"x": [110.0, 121.0, 400.0], "y": [300.0, 381.0, 200.0]})
figure = plotting.window_transforms(image, chosen, describe.size_, blank_center=describe.blank_center_)
show(figure, alt="Three windows: two of one grain with equal Patterson functions, one of the other.")

# %% [markdown]
# **Figure 2.4.** Windows 0 and 1 begin at different places of the unit cell, and look different. Their Fourier
# moduli and Patterson functions agree. Those of window 2, beyond the boundary, lean to the other side. (Red: positive;
# blue: negative; the centre is blanked, since the sum of squares stands there, noise included.)
#
# **Predict, then run.** Distances between rows, between the two halves over within one of them: is the ratio larger for raw
# pixels, or for Patterson functions? What would a ratio of 1 mean?


# %% tags=["hide-input"]
def nearest(table, places):
    """Row of the table that is nearest to each place."""
    return cKDTree(table[["x", "y"]]).query(places[["x", "y"]])[1]


domain = sample.truth.domain.to_numpy()[nearest(sample.truth, describe.positions_)]


def between_to_within(rows):
    """Median distance between the halves, in units of that within them."""
    left, right = rows[domain == 0][::9], rows[domain == 1][::9]
    within = np.concatenate([cdist(half[::2], half[1::2]).ravel() for half in (left, right)])
    return np.median(cdist(left, right)) / np.median(within)


raw = windows.sliding_windows(image.values, describe.size_, step=describe.step_).reshape(len(domain), -1)
ratio_raw, ratio_patterson = between_to_within(raw), between_to_within(features)
Markdown(f"Between / within: {ratio_raw:.2f} for raw pixels, {ratio_patterson:.1f} for Patterson functions.")

# %% [markdown]
# With 1, a row is as far from the other half as from its own: nothing is left for an unsupervised method to find.
#
# ## 4 · A map without labels
#
# Each window is now a point in a space of many dimensions. *Principal components* (PCA) ask along which directions the
# points scatter most. A component gives a map, and can be drawn, since it is a row of features itself.

# %%
pca = PCA(3, random_state=0).fit(features)
figure = plotting.component_maps(describe, features, pca)
show(
    figure,
    alt="Maps of three components: the halves, the boundary, its two sides; and their patterns.",
)

# %% [markdown]
# **Figure 2.5.** The first component is the twin: one half against the other, and its pattern, below, is the
# difference of the two Patterson functions. The second is high along the boundary, where a window sees both halves;
# the third tells the two sides of the boundary apart.
#
# The score: two clusters of rows against the planted halves, as the adjusted Rand index (ARI), which is 1 if both agree
# and about 0 if they do so by chance. Windows that lie across the boundary belong to both halves.

# %%
scores = pca.transform(features)
labels = KMeans(2, n_init=5, random_state=0).fit_predict(scores)
halves = [cKDTree(half[["x", "y"]]) for _, half in sample.truth.groupby("domain")]
gap = np.max([half.query(describe.positions_[["x", "y"]])[0] for half in halves], axis=0)
across = gap < max(describe.size_) / 2
ari_all = metrics.adjusted_rand_index(labels, domain)
ari_inside = metrics.adjusted_rand_index(labels[~across], domain[~across])
Markdown(f"**Score.** ARI {ari_all:.3f} for all windows, {ari_inside:.3f} for those within one half.")

# %% [markdown]
# The measured image of Section 1, by the same three lines; nothing is tuned:

# %%
on_real = WindowDescriptor().fit(flat)
real = on_real.transform(flat)
real_pca = PCA(3, random_state=0).fit(real)
figure = plotting.component_maps(on_real, real, real_pca, image=flat, title="Real: CdTe")
show(figure, alt="Maps of three components of the real image: halves, boundary, stripes.")

# %% [markdown]
# **Figure 2.6.** As in the phantom, the first component is the twin and the second is high along the boundary. The
# third shows horizontal stripes, as scan lines make them that are shifted against each other: the microscope, not the
# specimen. A descriptor that is blind to brightness is not blind to distortions.
#
# ## 5 · Neighbour vectors
#
# **Prior: there are atoms at definite places, and what matters of an atom is where its neighbours are.** The image is
# gone once the columns are found (lesson 03), and with it brightness and species. The vectors to the neighbours are
# ordered by a lattice, so that number 1 is the same neighbour everywhere (lesson 04 is built on them). Here a row is
# a dumbbell, found as one blob, with its six neighbours.

# %%
blobs = columns.find_peaks(image, sigma=4.5)
around = NeighbourDescriptor(n_neighbors=6)
vectors = around.fit_transform(blobs)
half = sample.truth.domain.to_numpy()[nearest(sample.truth, around.positions_)]
print(f"{len(vectors)} of {len(blobs)} dumbbells have a row; of each half: {np.bincount(half, minlength=2)}")

# %% [markdown]
# Only one half has rows at all. A lattice was fitted, and beyond the boundary nothing is where this lattice wants it.
# What is left over has a lattice of its own, and that is a segmentation, too:

# %%
left_over = blobs.drop(index=around.positions_.index)
second = NeighbourDescriptor(n_neighbors=6).fit(left_over)
grains = pd.concat([around.positions_.assign(grain=0), second.positions_.assign(grain=1)])
of = sample.truth.domain.to_numpy()[nearest(sample.truth, grains)]
ari_grains = metrics.adjusted_rand_index(grains.grain.to_numpy(), of)
Markdown(f"**Score.** ARI {ari_grains:.3f} over the {len(grains)} dumbbells of {len(blobs)} that have a row.")

# %% [markdown]
# ## 6 · Sub-images
#
# **Prior: there are atoms, and what matters of an atom is what is seen around it.** No lattice is needed, only
# places. The picture around each one is cut out at sub-pixel precision, its mean subtracted and its length set to
# one. k-means makes two kinds of them.

# %%
look = SubImageDescriptor()
shots = look.fit_transform((image, blobs))
kinds = KMeans(2, n_init=5, random_state=0).fit_predict(PCA(5, random_state=0).fit_transform(shots))
of = sample.truth.domain.to_numpy()[nearest(sample.truth, look.positions_)]
ari_shots = metrics.adjusted_rand_index(kinds, of)
Markdown(f"**Score.** ARI {ari_shots:.3f} over {len(kinds)} dumbbells.")

# %% tags=["hide-input"]
mean = look.inverse_image(np.array([shots[kinds == k].mean(axis=0) for k in (0, 1)]))
figure, (left, middle, right, last) = plotting.new_figure(1, 4, size=(10.4, 3))
plotting.draw_phases(left, grains, grains.grain, title="5: by lattice", size=14)
plotting.draw_phases(middle, look.positions_, kinds, title="6: by sub-image", size=14)
for k, ax in enumerate((right, last)):
    plotting.draw_patch(ax, mean[k], title=f"Mean of label {k}")
show(figure, alt="Dumbbells in two colours, twice, and two mean pictures that are mirror images.")

# %% [markdown]
# **Figure 2.7.** Both find the two halves (blue: label 0; orange: label 1). By lattice, a dumbbell at the
# boundary has no row, as it lacks a neighbour; by sub-image it has. The means show what the labels mean.
#
# ## 7 · Time-delayed stacks
#
# **Prior: what happens next depends on what happened just before, in the same way at any time.** A movie has one more
# axis. A *stack* is what was seen at one place in several frames, one after the other, written as one row: the delay
# embedding of a dynamical system (Takens, Lecture Notes in Mathematics 898, 366, 1981).
#
# In every block of 2 × 2 columns of this phantom one heavy atom hops from column to column, in half of the
# blocks clockwise, in the others not. In each frame it hops with a probability of one half.

# %%
movie = simulate.movies.circling_dopants(6, n_frames=budget(full=40, fast=20), hop=0.5, random_state=1)
delays = TimeDelayDescriptor(5, size=20)
stacks = delays.fit_transform(movie.data)
rows = [movie.truth.index[movie.truth.direction == d][0] for d in (1, -1)]
shown = {f"block {r}": delays.inverse_image(stacks[r])[0] for r in rows}
figure = plotting.pictures(shown, columns=[f"frame {n}" for n in range(5)])
show(figure, alt="Two rows of five frames with four columns each; the brightest one moves.")

# %% [markdown]
# **Figure 2.8.** Two rows of features, drawn: the brightest column moves. Which of the two goes clockwise?
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


numbers = np.arange(1, budget(full=6, fast=3))
told = pd.DataFrame({"measured": [guess(movie, d) for d in numbers]}, index=numbers)
perfect_observer = pd.Series(1 - 0.5**numbers, index=numbers, name="perfect observer")

# %% tags=["hide-input"]
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
# ## 8 · What each one does not see, measured
#
# A promise of blindness can be tested. `descriptors.blindness` compares the rows of a *changed* specimen with
# those of the original, and asks how far away the nearest one is, in units of the same distance for a second record
# that differs by noise alone. A ratio of 1 is blind.
#
# Germanium, gallium arsenide and zinc selenide have their atoms at the same places, within a few parts in a
# thousand. In Ge both atoms of a dumbbell are alike; in GaAs they differ by two in atomic number, in
# ZnSe by four. "Other species" makes GaAs of Ge, and ZnSe of GaAs.
#
# **Predict, then run.** Which of the four sees an inversion in germanium, and which in gallium arsenide?


# %% tags=["hide-input"]
def record(atoms, seed, rotation=0.0):
    """Image of a crystal of dumbbells of these two atomic numbers."""
    cells = simulate.structures.dumbbells("GaAs", (8.0, 8.0), rotation=rotation).columns
    cells["weight"] = np.array(atoms)[cells.label] ** 1.7
    return simulate.image(cells, shape=(400, 400), electrons=6000, random_state=seed).data.values


def changes(atoms, others):
    """The same specimen after five changes, each with noise of its own."""
    return {
        "translated": record(atoms, 2)[27:307, 29:309],
        "contrast ×3": 3 * record(atoms, 3)[20:300, 20:300] + 500,
        "inverted": record(atoms, 4)[20:300, 20:300][::-1, ::-1],
        "turned 15°": record(atoms, 5, 15)[60:340, 60:340],
        "other species": record(others, 6)[20:300, 20:300],
    }


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

# %% tags=["hide-input"]
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
# likely as not; 1: always); below, how much further. Grey: blind. Nobody sees a translation or a change of contrast,
# everybody sees a rotation. Species are invisible to positions. A window averages over many columns, so Fourier moduli see
# a change of species that single sub-images do not; Patterson functions hold the same, but the square in (2.2) lets the
# strong peaks dominate, and a change of species is in the weak ones.
#
# **Inversion is the trap.** In germanium nobody sees it, but that is no property of neighbours or sub-images: the
# *crystal* has an inversion centre, so there is nothing to see. In gallium arsenide there is. Sub-images see it, and
# neighbours see it if they know the species. Windows do not: the Patterson function of any object is the same as that
# of the inverted one. A descriptor is judged on a specimen that has no symmetry to hide behind.
#
# ## 9 · Where it fails
#
# **Inverted domains.** Gallium arsenide in which gallium and arsenic change places half-way across the field, as they do
# where two grains began on terraces one atomic step apart ("antiphase domains"). To the Patterson function there is no
# boundary, at any dose: that is theory, not a matter of tuning. Sub-images see it.

# %% tags=["hide-input"]
cells = simulate.structures.dumbbells("GaAs", (8.0, 8.0)).columns
cells["domain"] = (cells.x_nm > 4).astype(int)
cells["weight"] = np.where((cells.label == 0) == (cells.domain == 0), 31, 33) ** 1.7
inverted = simulate.image(cells, shape=(400, 400), electrons=6000, random_state=0)


# %%
def halves_found(descriptor, data, truth):
    """ARI of two clusters of rows against the planted halves."""
    rows = descriptor.fit_transform(data)
    labels = KMeans(2, n_init=3, random_state=0).fit_predict(PCA(4, random_state=0).fit_transform(rows))
    return metrics.adjusted_rand_index(labels, truth.domain.to_numpy()[nearest(truth, descriptor.positions_)])


found = columns.find_peaks(inverted.data, sigma=4.5)
ari_inverted = halves_found(WindowDescriptor(step=16), inverted.data, inverted.truth)
ari_seen = halves_found(SubImageDescriptor(49), (inverted.data, found), inverted.truth)
Markdown(f"ARI {ari_inverted:.3f} with Patterson functions, {ari_seen:.3f} with sub-images.")

# %% [markdown]
# **Neighbours without their lattice** have no row: Section 5. [Lesson 02b](02b_more_descriptors.ipynb) has windows that are too
# small, doses that are too low, and movies that are too slow.
#
# <div class="alert alert-block alert-warning">
#
# **Your own image**
#
# ```python
# image = windows.flatten(io.read("my_image.dm4"))
# describe = WindowDescriptor().fit(image)
# features = describe.transform(image)
# maps = describe.map(PCA(3).fit_transform(features))  # a DataArray, in nm
# ```
#
# The [exercises](exercises/02_descriptors.ipynb) give every student their own images.
#
# </div>
#
# ## What stays

# %% tags=["hide-input"]
findings(f"""
- A Patterson function forgets where its window was cut, so two clusters find a twin without labels: ARI {ari_inside:.3f}
  within the halves, {ari_all:.3f} with the boundary.
- What a descriptor forgets is gone: inverted domains give ARI {ari_inverted:.2f} with windows, {ari_seen:.2f} with
  sub-images.
- A single frame tells a direction no better than a coin ({told.measured.iloc[0]:.0%}), {numbers[-1]} frames in
  {told.measured.iloc[-1]:.0%} of all cases.
- Measure blindness, on a crystal without symmetry to hide behind.
""")

# %% [markdown]
# **Next:** [lesson 03](03_atom_finding.ipynb) finds the columns that neighbours and sub-images need.
