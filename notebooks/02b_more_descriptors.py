# %% [markdown]
# # 02b · More about descriptors
#
# <div class="alert alert-block alert-info">
#
# **You will** measure whether a window fits a lattice · unmix a twin into ingredients · search for look-alikes ·
# find the smallest window, the lowest dose and the slowest movie that still tell
#
# **Needs** [lesson 02](02_descriptors.ipynb) · **Time** 30 min
#
# </div>

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, PCA
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from atomlens import columns, datasets, descriptors, lattice, metrics, plotting, simulate, windows
from atomlens.descriptors import SubImageDescriptor, TimeDelayDescriptor, WindowDescriptor
from atomlens.notebook import budget, findings, show
from atomlens.patterson import tapered_size, translation_spread

sample = datasets.load("cdte_boundary_phantom")
image = windows.flatten(sample.data)
describe = WindowDescriptor().fit(image)
features = describe.transform(image)
scores = PCA(3, random_state=0).fit_transform(features)
halves = [cKDTree(half[["x", "y"]]) for _, half in sample.truth.groupby("domain")]
gap = np.max([half.query(describe.positions_[["x", "y"]])[0] for half in halves], axis=0)
across = gap < max(describe.size_) / 2  # windows that see both halves


def nearest(table, places):
    """Row of the table that is nearest to each place."""
    return cKDTree(table[["x", "y"]]).query(places[["x", "y"]])[1]


# %% [markdown]
# ## 1 · The window must fit the lattice
#
# That a Patterson function does not depend on where its window was cut is not free. The transform continues a window
# periodically, so its edges must fit together; or else a taper must hide the edges, and then there must be enough cells for
# the taper to weigh them equally. `translation_spread` measures it on a perfect crystal, as the scatter of $P$ over 200
# windows cut at random. With 0.1 or more, the place of the cut outweighs most defects.

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
# either way.
#
# ## 2 · Ingredients instead of differences
#
# *NMF* (non-negative factors) asks of which few patterns every row is a sum. It wants no negative numbers, so it gets the
# moduli of the Fourier transform. Sliding windows, Fourier transforms and a linear unmixing go back to Vasudevan and
# colleagues (Applied Physics Letters 106, 091601, 2015).

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
# **Figure 2b.1.** Each factor is at home in one half, and its pattern holds the Bragg spots of this half.
#
# ## 3 · Real: a grain boundary in iron

# %%
iron = windows.flatten(datasets.load("fe_grain_boundary", or_phantom=True).data)
on_iron = WindowDescriptor().fit(iron)
grains = on_iron.transform(iron)
iron_pca = PCA(3, random_state=0).fit(grains)

# %%
figure = plotting.component_maps(on_iron, grains, iron_pca, image=iron, title="Real: iron")
show(figure, alt="Maps of three components of two grains of iron, and their patterns.")

# %% [markdown]
# **Figure 2b.2.** Two grains that are turned against each other, and their boundary. One more region shows in the
# second and third components: the upper left corner, where the columns are smeared into streaks. It is no third
# grain. Whether a component is a phase or the microscope is for the reader to say; the pattern below it helps.
#
# ## 4 · Look-alikes
#
# Rows of features can be searched. Point at a window, and ask where in the image there is something like it. The
# window is the one with the most of component 2, which is high along the boundary; windows that overlap it or each other
# are left out.

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
# **Figure 2b.3.** The nearest windows lie along the boundary. When it has no room for more, the search goes on and
# brings what is left: there is always a nearest row. Only the distance, printed above each window, says whether it is
# near.
#
# ## 5 · What stacks do not see
#
# Frames of a clockwise movie played backwards, taken later, or shifted by three pixels:

# %%
circling = simulate.movies.circling_dopants
clockwise = [circling(4, n_frames=30, direction=1, random_state=s).data for s in range(4)]
after = {
    "later": clockwise[2][10:],
    "backwards": clockwise[3][19::-1],
    "contrast ×3": 3 * clockwise[2][:20],
    "shifted": clockwise[2][:20, 3:, 3:],
}
stacked = {"1 frame": TimeDelayDescriptor(1, size=20), "4 frames": TimeDelayDescriptor(4, size=20)}
pair = clockwise[0][:20], clockwise[1][:20]

# %%
in_time = {name: descriptors.blindness(stack, *pair, after) for name, stack in stacked.items()}
figure = plotting.blindness({"Movie": in_time})
show(figure, alt="A table: one frame is blind to time running backwards, four frames are not.")

# %% [markdown]
# **Figure 2b.4.** Stacks are blind to absolute time, as promised. Only stacks of several frames see its direction.
# Raw pixels are blind neither to contrast, as nothing is normalised, nor to a shift that is no multiple of the step between
# windows.
#
# ## 6 · Too small, too few, too slow
#
# **A window smaller than the cell** does not hold the vectors that tell the halves apart. **Too few electrons:** a window
# averages over many columns; a sub-image has to find each one first.


# %% tags=["hide-input"]
def score_windows(image, truth, size=None):
    """ARI of two clusters of windows against the planted halves."""
    describe = WindowDescriptor(size, step=16).fit(image)
    reduced = PCA(4, random_state=0).fit_transform(describe.transform(image))
    found = KMeans(2, n_init=3, random_state=0).fit_predict(reduced)
    return metrics.adjusted_rand_index(found, truth.domain.to_numpy()[nearest(truth, describe.positions_)])


def score_columns(image, truth):
    """The same for sub-images of dumbbells."""
    describe = SubImageDescriptor(49)
    shots = describe.fit_transform((image, columns.find_peaks(image, sigma=4.5)))
    found = KMeans(2, n_init=3, random_state=0).fit_predict(PCA(5, random_state=0).fit_transform(shots))
    return metrics.adjusted_rand_index(found, truth.domain.to_numpy()[nearest(truth, describe.positions_)])


# %% tags=["hide-input"]
sides = budget(full=[12, 15, 18, 24, 32, 48, 64, 96, 128], fast=[12, 24, 64])
by_size = pd.DataFrame({"windows": [score_windows(image, sample.truth, n) for n in sides]}, index=sides)

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
# **Figure 2b.5.** Left: the score rises steeply just below the shortest lattice vector; much smaller windows
# hold too little of a cell to compare. Above, nearly everything is good enough to tell two *halves*; defects
# are harder to please (lesson 05). Right: at an electron a column no finder finds them, but windows still see
# the halves. With electrons enough the order changes, since every sub-image is centred on a column of one half,
# while windows lie anywhere, on the boundary too.
#
# **Stacks that are too slow**: if every atom hops in every frame, and only every second frame is used, it is always
# opposite to where it was. Clockwise or not, it looks the same.


# %% tags=["hide-input"]
def guess(movie, delays, spacing=1):
    """Share of stacks whose direction is told right, in blocks not seen before."""
    describe = TimeDelayDescriptor(delays, spacing=spacing, size=20)
    rows = PCA(4 * delays, random_state=0).fit_transform(describe.fit_transform(movie.data))
    block = nearest(movie.truth, describe.positions_)
    right = movie.truth.direction.to_numpy()[block]
    return cross_val_score(KNeighborsClassifier(5), rows, right, groups=block, cv=GroupKFold(6)).mean()


# %%
hurried = simulate.movies.circling_dopants(6, n_frames=20, hop=1.0, random_state=2)
fast_enough, too_slow = (guess(hurried, 4, spacing=n) for n in (1, 2))
Markdown(f"Direction told right: {fast_enough:.2f} from every frame, {too_slow:.2f} from every second one.")

# %% [markdown]
# ## What stays

# %% tags=["hide-input"]
(bad, _), _, (_, good) = spread.values()
findings(f"""
- Three cells and a taper: a spread of {good:.3f}. A window that fits nothing: {bad:.2f}.
- Read the distance of a look-alike ({distances[0]:.2f} to {distances[-1]:.2f} above), not its rank.
- From every second frame a direction is told right in {too_slow:.0%} of all cases, from every frame in {fast_enough:.0%}.
""")
