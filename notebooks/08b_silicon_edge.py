# %% [markdown]
# # 08b · Silicon at the edge of graphene
#
# **You will** sort pictures of atoms that point in all directions · let symmetry decide which classes are the same ·
# tell a chain of states from a shuffled one
#
# **Needs** [lesson 08](08_defect_dynamics.ipynb) for tracks and chains · **Time** 30 min to read and play, about a
# minute to run
#
# Silicon atoms collect at holes in graphene, and the beam moves them: from one way of being bonded to another, and
# along the edge. What becomes of what? A published analysis found sixteen classes in such a movie, merged them to
# five by hand, and read a matrix of transitions. We do the same on a movie whose chain we know. Two of its steps turn
# out to be avoidable, one to be wrong.

# %% tags=["hide-input"]
import warnings

import numpy as np
import pandas as pd
import xarray as xr
from IPython.display import Markdown
from scipy.spatial import cKDTree
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from atomlens import dynamics, metrics, plotting, simulate, windows
from atomlens.notebook import budget, show, show_film

warnings.simplefilter("ignore", UserWarning)  # doubts are shown where they matter

# %% [markdown]
# ## 1 · A movie with an answer key
#
# A hexagonal hole with zigzag edges, and four silicon atoms in five states. Two sit in the vacuum: **pendant**, on
# one carbon atom, and **bridge**, on two. Three sit in the sheet: **edge**, in place of an atom of the edge;
# **inner**, in place of the next; **double**, in place of both. The states follow a Markov chain.

# %%
n_frames = budget(full=300, fast=60)
movie = simulate.movies.edge(4, n_frames=n_frames, hop=0.1, electrons=200, random_state=8)
truth, names = movie.truth, movie.extras["states"]
pd.DataFrame(movie.extras["matrix"], index=names, columns=names).round(3)

# %%
part = budget(full=40, fast=3)
film = plotting.animation(movie.data[:part], truth[truth.frame < part], by="label")
show_film(film, alt="Four bright atoms change and hop around a hexagonal hole in graphene.")

# %% [markdown]
# **Figure 8b.1.** The beginning of the movie. Colours are the planted states.
#
# ## 2 · Find the silicon, and cut it out
#
# A silicon atom is four times as bright as a carbon atom, so finding it takes no network. Around every one we cut a
# square of 0.9 nm.


# %%
def cut(film):
    """Bright atoms of a movie, and a picture of each."""
    atoms = dynamics.bright_atoms(film)
    pictures = [windows.column_windows(film[frame], rows, 45) for frame, rows in atoms.groupby("frame")]
    return atoms, np.concatenate(pictures)


def with_truth(atoms, truth):
    """What was planted nearest to every atom in its frame: label, particle, and how far it is."""
    parts = []
    for frame, rows in atoms.groupby("frame"):
        there = truth[truth.frame == frame]
        away, nearest = cKDTree(there[["x", "y"]]).query(rows[["x", "y"]])
        planted = there.iloc[nearest][["state", "particle", "orientation", "mirrored"]]
        parts.append(planted.set_index(rows.index).assign(away=away))
    return atoms.join(pd.concat(parts).add_prefix("true_"))


# %%
atoms, pictures = cut(movie.data)
atoms = with_truth(atoms, truth)
print(f"{len(atoms)} of {len(truth)} atoms found, {(atoms.true_away > 3).sum()} of them where none is")
print(f"root mean square error {np.sqrt((atoms.true_away**2).mean() / 2) * 20:.1f} pm along an axis")

# %% [markdown]
# ## 3 · How many classes?
#
# A Gaussian mixture sorts the pictures, first reduced to their 20 principal components. How many classes should it
# make? The **BIC** weighs how well a mixture fits against how many numbers it needs; lower is better. Our answer key
# allows a score, too: the adjusted Rand index with the planted states, 1 for the same grouping, 0 for chance.


# %%
def sort_pictures(pictures, n_classes):
    """Class of every picture, and the BIC."""
    numbers = PCA(20, random_state=0).fit_transform(pictures.reshape(len(pictures), -1))
    options = {"covariance_type": "diag", "n_init": 2, "random_state": 0, "reg_covar": 1e-3 * numbers.var()}
    mixture = GaussianMixture(min(n_classes, len(pictures) // 4), **options).fit(numbers)
    return np.unique(mixture.predict(numbers), return_inverse=True)[1], mixture.bic(numbers)


# %%
rows, labels = {}, {}
for n in (5, 16, 30, 40, 60):
    labels[n], bic = sort_pictures(pictures, n)
    score = metrics.adjusted_rand_index(labels[n], atoms.true_state.to_numpy())
    rows[n] = {"BIC": round(bic), "index with the states": round(score, 2)}
pd.DataFrame(rows).T.rename_axis("classes")

# %% [markdown]
# The BIC asks for thirty or so, and no number of classes gives five states. It is not the fault of the mixture. A
# picture of one state, turned by 60 degrees, is another picture:

# %%
seen = truth.assign(mirrored=truth.mirrored & (truth.label == "double"))
kinds = seen.groupby(["state", "orientation", "mirrored"]).size()
print(f"{len(kinds)} different pictures of {truth.state.nunique()} states were planted")
show(
    plotting.class_means(
        [pictures[labels[40] == k].mean(axis=0) for k in np.argsort(-np.bincount(labels[40]))[:12]]
    ),
    alt="Mean pictures of the twelve largest classes: edges of graphene in six orientations.",
)

# %% [markdown]
# **Figure 8b.2.** The twelve largest of forty classes. Many are one another's turned or mirrored copy.
#
# ## 4 · Let symmetry merge them
#
# Graphene looks the same after twelve operations $g$: six turns, each with and without a mirror. So two classes with
# means $m_k$ and $m_l$ are one state if any of them brings one onto the other. We compute
#
# $$ s_{kl} = \max_g \frac{\langle g\,m_k,\; m_l\rangle}{\lVert m_k\rVert\,\lVert m_l\rVert}, \tag{8b.1} $$
#
# after subtracting what all pictures share, such as the atom in the middle. Noise lowers $s_{kl}$ where classes have
# few members; it is known from the scatter of the members, and corrected for. What is above 0.8 becomes one state.

# %%
found = dynamics.equivalent_classes(pictures, labels[40])
found

# %%
order = np.argsort(found.states, kind="stable")
as_they_are = np.corrcoef(found.means.reshape(len(order), -1))
figure, axes = plotting.new_figure(1, 2, size=(9.0, 4.0))
for ax, alike, title in (
    (axes[0], as_they_are, "Correlation as they are"),
    (axes[1], found.similarity, "after the best operation"),
):
    ordered = xr.DataArray(alike[np.ix_(order, order)], dims=("class", "other class"))
    plotting.draw_map(ax, ordered, title=title, vmin=0, vmax=1)
show(figure, alt="Two matrices of 40 by 40 classes; the right one falls into five clear blocks.")

# %% [markdown]
# **Figure 8b.3.** Classes ordered by state. Left, all resemble each other, thanks to the bright atom, and no block
# stands out. Right, blocks do: within them nearly 1, and little elsewhere. This is what was read off by eye.
#
# The same matrix of operations says which pictures are symmetric in themselves: if two operations leave a class alone,
# there is a mirror. That decides how many pictures a state can have: twelve over that number.

# %%
rows = []
for n in (16, 30, 40, 60):
    merged = dynamics.equivalent_classes(pictures, labels[n])
    score = metrics.adjusted_rand_index(merged.merged(labels[n]), atoms.true_state.to_numpy())
    rows.append(
        {"classes": len(merged.states), "states": merged.state_means.shape[0], "index": round(score, 3)}
    )
pd.DataFrame(rows)

# %% [markdown]
# Too few classes cannot be mended, because a class that mixes states stays mixed. Too many can. So the number hardly
# matters, as long as it is generous.
#
# ## 5 · Names by meaning
#
# A number is no name. We compare every state with *models*: pictures of known arrangements, simulated without noise.
# The same function does it, since models may point anywhere, too.

# %%
ideal = simulate.movies.edge(4, n_frames=30, electrons=1e5, random_state=1)
first = ideal.truth.drop_duplicates("label").sort_values("state")
models = [
    windows.column_windows(ideal.data[r.frame], first[first.label == r.label], 45)[0]
    for r in first.itertuples()
]
scale = np.mean(found.state_means) / np.mean(models)
both = dynamics.equivalent_classes([*found.state_means, *(scale * np.array(models))])
n_states = len(found.state_means)
alike = both.similarity[:n_states, n_states:]
state_names = first.label.to_numpy()[alike.argmax(axis=1)]
atoms["label"] = state_names[found.merged(labels[40])]
show(
    plotting.class_means(
        found.state_means, [f"{n} ({a:.2f})" for n, a in zip(state_names, alike.max(axis=1), strict=True)]
    ),
    alt="Mean pictures of five states: on the edge, in the edge, and in the vacuum.",
)

# %% [markdown]
# **Figure 8b.4.** Mean pictures of the states, all their classes turned alike, named after the model each resembles
# most (in brackets, how much). Silicon is the bright one in the middle.

# %%
right = (atoms.label == np.array(names)[atoms.true_state]).mean()
print(f"{right:.1%} of the atoms have the right name")
pd.crosstab(
    np.array(names, dtype=object)[atoms.true_state], atoms.label, rownames=["planted"], colnames=["named"]
)

# %% [markdown]
# ## 6 · What becomes of what
#
# Atoms are linked to tracks, and transitions counted *within* tracks, all together, as in lesson 08.

# %%
tracks = dynamics.link(atoms)
show(plotting.state_sequences(tracks), alt="Rows of colours: the states of each silicon atom along time.")

# %% [markdown]
# **Figure 8b.5.** States of the atoms along time: a state lasts several frames.

# %%
chain = dynamics.transitions(tracks, state="label", states=names)
planted = movie.extras["matrix"]
held = (chain.low <= planted) & (planted <= chain.high)
sequence = dynamics.one_sequence_matrix(atoms, state="label", states=names)
show(
    plotting.matrices({"planted": planted, "tracks": chain, "one sequence (published)": sequence}, names),
    alt="Three transition matrices. The third has no diagonal.",
)

# %%
shares = atoms.label.value_counts(normalize=True).reindex(names).fillna(0).to_numpy()
pieces = tracks.assign(particle=100 * tracks.particle + tracks.frame // 8)
staying = {
    "planted": planted,
    "tracks, pooled": chain.matrix,
    "one sequence": sequence,
    "short tracks, mean of rows": dynamics.row_mean_matrix(pieces, state="label", states=names),
    "short tracks, pooled": dynamics.transitions(pieces, state="label", states=names).matrix,
}
stay = {name: np.nanmean(np.diag(matrix)) for name, matrix in staying.items()}
print(f"intervals hold {held.sum()} of {held.size} planted probabilities")
print(
    f"rows of the one sequence differ from the shares of the classes by {np.abs(sequence - shares).mean():.2f}"
)
pd.Series(stay, name="probability to stay").round(2).to_frame()

# %% [markdown]
# **Figure 8b.6** and the table. The published matrix read all rows of the table of detections as *one* sequence.
# With four atoms a frame, three of four steps lead from one atom to another. Then every row says how frequent classes
# are, and an atom seems to stay a fraction of its time. No error bar would have told.
#
# The second mistake, of lesson 08, is milder: one matrix for each track, and the mean of their rows. Short tracks, here
# pieces of eight frames, make states shorter-lived than they are. Pooled counts from the very same pieces do not.
#
# *Has the chain a memory?* The test compares with simulated chains that have none:

# %%
memory = dynamics.first_order(tracks, state="label", states=names)
memory

# %% [markdown]
# ## 7 · Where it fails
#
# *Too few electrons.* Pictures of few electrons are sorted by their noise, and atoms are missed.

# %%
rows = []
for dose in budget(full=(100, 25, 12, 8), fast=(100,)):
    poor = simulate.movies.edge(5, n_frames=budget(full=120, fast=40), electrons=dose, random_state=3)
    some, crops = cut(poor.data)
    some, own = with_truth(some, poor.truth), sort_pictures(crops, 40)[0]
    merged = dynamics.equivalent_classes(crops, own)
    score = metrics.adjusted_rand_index(merged.merged(own), some.true_state.to_numpy())
    numbers = {"found": f"{len(some) / len(poor.truth):.0%}", "states": len(merged.state_means)}
    rows.append({"electrons": dose, **numbers, "index": round(score, 2), "doubts": len(merged.doubts)})
pd.DataFrame(rows).set_index("electrons")

# %% [markdown]
# *Too few frames.* What is rare has not been seen. The width of the intervals says so, if one looks:

# %%
widths = {}
for n in (30, 100, 300):
    short = dynamics.transitions(tracks[tracks.frame < n], state="label", states=names)
    widths[n] = {
        "mean width": np.mean(short.high - short.low),
        "of staying": np.diag(short.high - short.low).mean(),
    }
pd.DataFrame(widths).T.round(2).rename_axis("frames")

# %% [markdown]
# *Frames too far apart.* Atoms hop, and one that comes to where another was takes over its track. We keep only every
# so many frames, and count links that join two different atoms:

# %%
rows = {}
for every in (1, 5, 20):
    kept = atoms[atoms.frame % every == 0]
    kept = kept.assign(frame=kept.frame // every)
    linked = dynamics.link(kept)
    same = linked.true_particle.eq(linked.groupby("particle").true_particle.shift())
    follows = linked.groupby("particle").frame.diff().notna()
    rows[every] = {
        "wrong links": f"{1 - same[follows].mean():.1%}",
        "what link says": "; ".join(linked.attrs["doubts"]),
    }
pd.DataFrame(rows).T.rename_axis("one frame in")

# %% [markdown]
# *Another host.* Twelve operations are those of graphene. Where a substrate, a strain or a tilt makes directions
# unlike, a copy is no longer a copy; `turns` and `mirrors` say what is left. And pictures that differ only where the
# circle is cut off, or by less than the noise, are one state to this method.

# %% [markdown]
# ## What you have seen

# %%
Markdown(
    f"- {len(found.states)} classes became {n_states} states by computing, and {right:.1%} of {len(atoms)} atoms got the "
    "right name.\n"
    f"- Read as one sequence, atoms stay with a probability of {stay['one sequence']:.2f}; within tracks "
    f"{stay['tracks, pooled']:.2f}; planted were {stay['planted']:.2f}.\n"
    f"- First order is not rejected (p = {memory.p_value:.2f}), as it should not be."
)

# %% [markdown]
# **Next** [start here](00_start_here.ipynb) has the list of lessons.
