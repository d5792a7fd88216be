# %% [markdown]
# # 08 · Defects in motion
#
# <div class="alert alert-block alert-info">
#
# **You will** find defects in a movie with a network that learnt from one frame · follow them · measure how fast they
# diffuse, with an interval that holds the truth · turn their states into a Markov chain, and correct it for mistakes
# of the eye
#
# **Needs** [lesson 03](03_atom_finding.ipynb) for networks, [lesson 05](05_patterson_ocsvm.ipynb) for defects ([what to
# know first](before_you_start.md), [glossary](glossary.md)) · **Time** 45 min live
#
# </div>
#
# Under the beam a sheet of WS₂ is alive. Defects hop from site to site, and change what they are. A movie holds
# thousands of sightings, and two questions: *how fast do they move*, and *what becomes of what*? Both answers are easy
# to get, and easy to get wrong. Published ones are wrong, and only planted truth shows it.

# %% tags=["hide-input"]
import warnings

import numpy as np
import pandas as pd
from sklearn.decomposition import NMF

from atomlens import datasets, dynamics, metrics, plotting, simulate, widgets
from atomlens.notebook import budget, findings, show, show_film, stored_table

warnings.simplefilter("ignore", UserWarning)  # doubts are printed where they matter

# %% [markdown]
# ## 1 · Play before you read
#
# A *phantom*, a simulated movie whose answer is planted: a sheet of WS₂ at 0.03 nm a pixel, 2.25 s a frame. Defects of three kinds hop between metal sites; what they are
# changes by a chain that we planted.

# %%
kinds = {
    "vacancy": (0.0, 0),
    "dopant": (0.382, 0),
    "cluster": (0.0, 3),
}  # signal of the site, neighbours missing
planted = np.array([[0.90, 0.07, 0.03], [0.06, 0.88, 0.06], [0.05, 0.10, 0.85]])
scene = {"shape": (320, 320), "electrons": 60, "hop": 0.06, "states": kinds, "matrix": planted}
movie = simulate.movies.hopping(30, n_frames=budget(full=60, fast=12), **scene, random_state=8)
truth, states = movie.truth, list(kinds)

# %% [markdown]
# Move the slider and click a defect: below are its pictures, frame by frame, and what it was. Then click a cell of the
# matrix, and jump from event to event. How often does a vacancy turn into a dopant, and how far does it hop?

# %%
widgets.track_explorer(movie.data, truth[truth.visible])

# %%
corner = movie.data[: budget(full=20, fast=3), :160, :160]
inside = truth[truth.x.between(0, 160) & truth.y.between(0, 160) & (truth.frame < len(corner))]
show_film(
    plotting.animation(corner, inside, by="label"), alt="Defects hop between sites of a hexagonal sheet."
)

# %% [markdown]
# **Figure 8.1.** A corner of the movie, for readers without a running notebook. Circles are planted defects, in the colour
# of their kind.
#
# ## 2 · A network from one frame
#
# Nobody wants to label a hundred frames. So the first frame labels itself: take the lattice out of it, by removing its
# Bragg peaks from the Fourier transform. What is left above noise breaks the lattice; these pixels are the labels. A
# small network then learns from windows of that one frame what a defect looks like, and is tested on a region that
# it has not seen. (Random windows would not do: neighbours overlap, and the test would be no test.)

# %%
labels = dynamics.label_frame(movie.data[0])
network = dynamics.train_on_frame(movie.data[0], steps=budget(full=240, fast=40))
print(network)

# %%
figure, axes = plotting.new_figure(1, 3, size=(10.4, 3.5))
plotting.draw_image(axes[0], movie.data[0], title="First frame")
plotting.draw_map(axes[1], labels, title="What breaks the lattice")
plotting.draw_map(axes[2], labels.copy(data=network.probability(movie.data[1])), title="Network, next frame")
show(
    figure,
    alt="A frame of the movie, the pixels that break its lattice, and the network's map of the next frame.",
)

# %% [markdown]
# **Figure 8.2.** Left to right: the frame, its labels, and what the network says of the *next* frame. Does it see more
# than the rule that taught it? Three ways, frame by frame, against what was planted:

# %%
detections = network.detect(movie.data)

# %%
ways = {
    "network": detections,
    "what breaks the lattice": dynamics.detect_frames(movie.data, method="residual"),
    "what differs from the mean frame": dynamics.detect_frames(movie.data, method="difference"),
}
scores = {way: dynamics.agreement(table, truth) for way, table in ways.items()}
pd.DataFrame(
    {way: [s.f1, s.precision, s.recall] for way, s in scores.items()}, ["F1", "precision", "recall"]
).T.round(3)

# %% [markdown]
# The network makes fewer false hits than its teacher: noise differs from window to window, defects do not. What only
# differs from the mean frame is what moved, and misses who stayed.
#
# How faint may it get? F1 on larger movies, from the benchmark `movies_truth`. Electrons are those of the weakest column
# of the sheet; *disturbed* means drift, streaks, contamination, and holes that grow.

# %%
measured = stored_table("movies").loc["found"]
faint = measured.pivot_table("f1", "way", "case", sort=False).round(2)
faint.assign(**{"s a frame": measured.groupby("way").seconds_a_frame.median().round(1)})

# %% [markdown]
# `defects.detect` compares every cell with the average one: mostly the fewest mistakes, and by far the
# slowest. `trackpy.locate` looks for dark spots and was told how many; the sheet itself is full of them.
#
# ## 3 · What kind is it?
#
# Cut a small picture around every detection, turn it to agree with the others, and group the pictures: principal
# components, then a mixture of Gaussians. How many classes? The Bayesian criterion (BIC) answers.

# %%
pictures = dynamics.sub_images(movie.data, detections)

# %%
free = dynamics.SubImageClasses(turns=3).fit(pictures)
print(f"the criterion prefers {free.n_classes_} classes")
free.summary().round(2)

# %% [markdown]
# It counts Gaussians, and pictures of one kind make several: what varies most need not be what matters. (The authors of
# the real movie met the same: the criterion preferred two, and five were chosen for their meaning.) A second phantom, whose
# kinds are known, can *teach* the classes instead. It also tells how often the eye errs: true kinds along rows, what
# they were called along columns. That is the **misclassification matrix**.

# %%
teacher = simulate.movies.hopping(30, n_frames=budget(full=30, fast=10), **scene, random_state=9)
lesson, exam = (network.detect(part) for part in (teacher.data[:-5], teacher.data[-5:]))
seen = dynamics.agreement(lesson, teacher.truth).pairs
examples = dynamics.sub_images(teacher.data, lesson).isel(defect=seen.found)
classes = dynamics.SubImageClasses(turns=3).fit(examples, seen.state)
show(plotting.class_means(classes.means_, classes.names_), alt="Mean pictures of three classes of defects.")

# %% [markdown]
# **Figure 8.3.** Mean pictures of the taught classes. They are tried on frames of the second phantom that taught nothing:

# %%
exam = exam.assign(frame=exam.frame + len(teacher.data) - 5)
graded = classes.label(exam, dynamics.sub_images(teacher.data, exam))
confusion = dynamics.agreement(graded, teacher.truth, tolerance=6).misclassification(states)
confusion

# %%
named = classes.label(detections, pictures)

# %% [markdown]
# A defect that changes within its frame, or two that overlap, are *mixtures*. **Unmixing** writes a picture as a sum
# with weights that are not negative. Of what? Non-negative factors ([lesson 02](02_descriptors.ipynb)) find parts by
# themselves:

# %%
bright = pictures.clip(0).values.reshape(len(pictures), -1)
parts = NMF(4, max_iter=2000, random_state=0).fit(bright).components_.reshape(-1, *pictures.shape[1:])
parts /= parts.max(axis=(1, 2), keepdims=True)
show(
    plotting.class_means(parts, [f"part {n}" for n in range(len(parts))]),
    alt="Four parts: pairs of columns at the border, and one bright column in the middle.",
)

# %%
ways = {"parts": dynamics.unmix(pictures, parts), "means of taught classes": classes.unmix(pictures)}
matched = dynamics.agreement(detections, truth).pairs
kind = pd.factorize(matched.state)[0]
for way, weights in ways.items():
    largest = weights.drop(columns="residual").iloc[matched.found].to_numpy().argmax(axis=1)
    print(f"{way}: ARI {metrics.adjusted_rand_index(largest, kind):.2f} of the largest weight")

# %% [markdown]
# **Figure 8.4.** Parts are light: of columns of the host, and of a dopant in the middle. A vacancy is a *lack* of
# light, so no part is one. The means of taught classes do tell the kinds. But all hold the host, so that small weights
# of the others mean nothing.

# %% [markdown]
# ## 4 · Who is who
#
# Linking joins detections of successive frames into tracks (trackpy). The farthest a defect may move is read off the
# data; a frame or two may be missed.

# %%
tracks = dynamics.link(named)
print(tracks.attrs["search_reason"])
show(plotting.state_sequences(tracks), alt="Tracks as rows along time, coloured by the kind of the defect.")

# %% [markdown]
# **Figure 8.5.** The longest tracks, in the colour of the kind. Short flickers are mistakes of the eye, or are they?
# Section 6 tells.
#
# ## 5 · How fast?
#
# The mean-square displacement of free motion grows with time, and places are known with an error $\sigma$:
#
# $$ \langle r^2(t) \rangle = 4 D t + 4 \sigma^2. \tag{8.1} $$
#
# `dynamics.diffusion` maximises the likelihood of all steps, which handles gaps, noise and short tracks. A published
# estimator takes $(\mathrm{var}\,x + \mathrm{var}\,y) / (4 N \Delta t)$ over a track of $N$ frames. The answer key is what
# the *true* paths give: a little less than the planted rate of hops, since no defect hops onto another.

# %%
dt = 2.25  # s

# %%
moved = dynamics.diffusion(tracks, dt=dt)
published = dynamics.published_estimator(tracks, dt=dt)
true_d = dynamics.diffusion(truth[truth.visible], dt=dt).coefficient
print(
    f"true paths {true_d:.2e}, found {moved.coefficient:.2e} ({moved.interval[0]:.2e} to {moved.interval[1]:.2e})"
)
print(f"published estimator {published:.2e} nm²/s")

# %%
curve = dynamics.msd(tracks, dt=dt, max_lag=budget(full=15, fast=4))
lines = {"true paths": true_d, "likelihood": moved.coefficient, "published estimator": published}
show(
    plotting.displacements(curve, lines, noise=moved.localisation),
    alt="Mean-square displacement over time, and lines of three diffusion coefficients; one is far too low.",
)

# %% [markdown]
# **Figure 8.6.** The published estimator is far too low. On free Brownian motion the variance over a track is a sixth
# of what it is divided by: it returns a sixth of D, whatever the data. Is the interval honest? A hundred movies each, from
# the benchmark `dynamics_truth`; `inside` is how often the interval of 95 % held the truth.

# %%
measured = stored_table("dynamics").loc[["D", "matrix"]]
measured[measured.way.isin(["likelihood", "hidden chain", "pooled"])].round(3)[
    ["noise", "way", "inside", "error"]
]

# %% [markdown]
# ## 6 · What becomes of what
#
# A **Markov chain**: the next kind depends on the present one only. Count transitions between successive frames of one
# track, divide by rows. But every mistake of the eye looks like two transitions, there and back. A *hidden* chain knows
# how often the eye errs, and counts what is left.

# %%
counted = dynamics.transitions(tracks, state="label", states=states)
corrected = dynamics.transitions(tracks, state="label", states=states, misclassification=confusion.to_numpy())
matrices = {"planted": planted, "counted": counted, "corrected": corrected}
show(plotting.matrices(matrices, states), alt="The planted matrix, the counted one, and the corrected one.")

# %% [markdown]
# **Figure 8.7.** Below each entry its interval of 95 %. Two more ways are in print. One averages the matrices of single
# tracks, row by row, so that a track in which a kind was seen once counts like one with a hundred. The other reads
# all defects of all frames as one sequence, so that most "transitions" join two different defects.

# %%
ways = {
    "mean of rows": dynamics.row_mean_matrix(tracks, state="label", states=states),
    "one sequence": dynamics.one_sequence_matrix(
        named.sort_values(["frame", "y"]), state="label", states=states
    ),
}
show(
    plotting.matrices(ways, states),
    alt="Two published ways to make a transition matrix, both far from the truth.",
)

# %% [markdown]
# **Figure 8.8.** The rows of the second are all alike: the frequencies of the kinds, and nothing about time. Does the
# chain deserve its name, and is it the same from beginning to end?

# %%
for test in (dynamics.first_order, dynamics.stationary):
    print(test(tracks, state="label", states=states, misclassification=confusion.to_numpy()))

# %% [markdown]
# (`widgets.track_explorer(movie.data, tracks)` shows what was found, as above.)
#
# <details><summary><b>Question.</b> A kind that is never left shows 5 % of "transitions". What else can make them?</summary>
#
# The eye: if it errs in 2.5 % of all frames, each error is seen as a transition there, and one back in the next frame. Only
# errors that are known, from phantoms, can be taken out.
#
# </details>

# %% [markdown]
# ## 7 · The real movie
#
# Maksov and others published a movie of WS₂ with boxes around defects, in five colours for five classes. Boxes were
# painted over the pixels, so we take the boxes and leave the pixels. After frame 60 they overlap too much.

# %%
real = datasets.load("ws2_movie", or_phantom=True)
boxes = real.truth[real.truth.frame < 60]
paths = dynamics.link(boxes)
long = paths[paths.groupby("particle").frame.transform("size") >= 10]
print(f"{paths.particle.nunique()} tracks, {long.particle.nunique()} of them of ten frames or more")
print(dynamics.diffusion(long, dt=dt))

# %%
some = paths[paths.groupby("particle").frame.transform("size") >= 4]  # shorter ones say next to nothing
from_boxes = dynamics.transitions(some, state="label", dt=dt)
show(
    plotting.matrices({"boxes of frames 0-59": from_boxes}), alt="Transition matrix of the published classes."
)
print(dynamics.first_order(some, state="label"))

# %% [markdown]
# **Figure 8.9.** The authors give (3-6)·10⁻⁴ nm²/s. What can be concluded from boxes? Positions are whole pixels, so the
# scale of the motion is right at best. Two of the classes keep to themselves. The others change into one another from
# frame to frame, and remember more than one frame: that is not what a chain of states does, but what a *classifier*
# does that cannot tell them apart. Without its misclassification matrix no rate of change can be told.
#
# ## 8 · Where it fails
#
# *Too fast.* If a defect moves as far as its neighbours are away, no linking can know who is who. It is said:

# %%
crowd = simulate.movies.tracks(60, n_frames=30, diffusion=0.3, shape=(256, 256), random_state=1)
print(*dynamics.link(crowd.data).attrs["doubts"], sep="\n")

# %% [markdown]
# *Too little.* A track of two points, or a kind that is never left, gives an interval that says so:

# %%
short = tracks[tracks.particle == tracks.particle.iloc[0]].head(2)
print(dynamics.diffusion(short, dt=dt))

# %% [markdown]
# ## What stays

# %% tags=["hide-input"]
findings(
    f"- A network that learnt from one frame finds defects with F1 {scores['network'].f1:.3f} in the others.\n"
    f"- Diffusion: {moved.coefficient:.1e} nm²/s where the true paths have {true_d:.1e}; the published estimator says "
    f"{published:.1e}.\n"
    "- A transition matrix needs the mistakes of the eye. Without them every error is two transitions."
)

# %% [markdown]
# **Next** the [exercises](exercises/08_defect_dynamics.ipynb); [lesson 08b](08b_silicon_edge.ipynb) follows silicon at the edge
# of graphene.
