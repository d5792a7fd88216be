# %% [markdown] tags=["solution"]
# *With solutions. This file is the source of the students' notebook: what stands between the markers is cut
# out there.*

# %% [markdown]
# # Exercises to lesson 02 · Descriptors
#
# **You will** write a Patterson function by hand · choose a window that fits · map a twin that nobody else has · find
# out what was done to a crystal from what descriptors do not see
#
# **Needs** [lesson 02](../02_descriptors.ipynb) · **Time** 40 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint. Nothing
# breaks when an answer is wrong: each new try gets a hint that says more, and `check.hint()` asks for the next one.
# Questions are answered with a letter, such as `"a"`. What was right is kept in a folder `answers` beside this
# notebook, and `check.summary()` lists it, also after a restart.

# %%
import numpy as np
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

# %%
from atomlens import descriptors, plotting
from atomlens.course import check
from atomlens.course.descriptors import Exercise
from atomlens.descriptors import SubImageDescriptor, TimeDelayDescriptor, WindowDescriptor
from atomlens.notebook import show
from atomlens.patterson import translation_spread

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.

# %%
exercise = Exercise("Ada Lovelace")
panels = {"perfect": exercise.perfect, "twin": exercise.twin, "doped": exercise.doped}

# %%
figure, axes = plotting.new_figure(1, 3, size=(10.4, 3.7))
for ax, (title, picture) in zip(axes, panels.items(), strict=True):
    plotting.draw_image(ax, picture, title=title)
show(figure, alt="Three of your images: a perfect crystal, a twin, a crystal with dopants.")

# %% [markdown]
# ## 1 · The Patterson function by hand
#
# `exercise.patch` is a small window. Compute its whole Patterson function, equation (2.2), with NumPy alone: the mean
# subtracted, no taper, not normalised, and the origin in the middle of the array.

# %%
patch = exercise.patch
# --- solution
power = np.abs(np.fft.fft2(patch - patch.mean())) ** 2
function = np.fft.fftshift(np.fft.ifft2(power).real)
# --- end
exercise.check_patterson(function)

# %% [markdown]
# **Question.** Turn your Patterson function by 180° about its origin: nothing changes. What follows for two domains
# that are inverted with respect to each other?
#
# - a) Their Patterson functions are equal, so no window descriptor tells them apart.
# - b) Their Patterson functions differ in sign.
# - c) They can be told apart if the window is large enough.

# %%
# --- solution
option = "a"
# --- end
exercise.question("turned by 180°", option)

# %% [markdown]
# **Question.** A window moves across a perfect crystal, and always holds whole cells. What happens to its Fourier
# transform?
#
# - a) Nothing changes.
# - b) Moduli change, phases stay.
# - c) Phases change, moduli stay.

# %%
# --- solution
option = "c"
# --- end
exercise.question("a window that moves", option)

# %% [markdown]
# **Question.** What if the mean is not subtracted first?
#
# - a) A constant is added to the whole Patterson function.
# - b) Only the value at the origin changes.
# - c) The function is no longer symmetric.

# %%
# --- solution
option = "a"
# --- end
exercise.question("no mean", option)

# %% [markdown]
# ## 2 · A window that fits
#
# `exercise.perfect` is a perfect crystal, and `exercise.sizes` lists the heights and widths of four windows, in
# pixels. One of them may be used without a taper. Which one? Hand in its place in the list, counted from 0.

# %%
# --- solution
spread = [translation_spread(exercise.perfect, size) for size in exercise.sizes]
number = int(np.argmin(spread))
# --- end
exercise.check_size(number)

# %% [markdown]
# **Question.** Why does a window with whole cells need no taper?
#
# - a) Repeated side by side it continues the crystal, so its edges make no jump.
# - b) It has more pixels, so noise averages out.
# - c) A taper is only needed for windows that are not square.

# %%
# --- solution
option = "a"
# --- end
exercise.question("why no taper", option)

# %% [markdown]
# ## 3 · Two halves
#
# Map the two halves of `exercise.twin` without labels, by windows and two clusters. Hand in the labels as a map,
# a DataArray, as `describe.map` makes it.

# %%
# --- solution
describe = WindowDescriptor()
scores = PCA(3, random_state=0).fit_transform(describe.fit_transform(exercise.twin))
halves = describe.map(KMeans(2, n_init=5, random_state=0).fit_predict(scores))
# --- end
exercise.check_domains(halves)

# %% [markdown]
# ## 4 · What was done?
#
# `exercise.original` and `exercise.repeat` are two records of one crystal, dumbbells of two very different species.
# `exercise.records` holds four more, "A" to "D". One was translated, one inverted, one turned, and one has another
# contrast. Which is which? Hand in a dict such as `{"A": "turned", "B": ...}`, with the words `"translated"`,
# `"contrast"`, `"inverted"` and `"turned"`.

# %%
# --- solution
changes = {}
for name, record in exercise.records.items():
    unseen = "translated" if abs(record.mean() / exercise.original.mean() - 1) < 0.1 else "contrast"
    three = exercise.original, exercise.repeat, {name: record}
    both = WindowDescriptor(), SubImageDescriptor()
    windows, shots = (descriptors.blindness(one, *three).blind[name] for one in both)
    changes[name] = "turned" if not windows else "inverted" if not shots else unseen
# --- end
exercise.check_changes(changes)

# %% [markdown]
# **Question.** A descriptor is blind to the contrast of an image. When is this a *disadvantage*?
#
# - a) When the thickness varies from left to right.
# - b) When one domain differs from another only in how bright all its columns are.
# - c) When the detector's gain drifts in time.

# %%
# --- solution
option = "b"
# --- end
exercise.question("blind to contrast", option)

# %% [markdown]
# ## 5 · Once seen, found again
#
# `exercise.doped` is an image of MoS₂, `exercise.columns` the places of its columns. Row `exercise.dopant` of this
# table is a dopant, and there are `exercise.n_others` more. Find their rows by likeness. (Columns near the border have
# no sub-image: mind `positions_.index`.)

# %%
# --- solution
look = SubImageDescriptor()
pictures = look.fit_transform((exercise.doped, exercise.columns))
row = int(np.flatnonzero(look.positions_.index == exercise.dopant)[0])
alike, distances = descriptors.look_alikes(pictures, row, exercise.n_others)
rows = look.positions_.index[alike]
# --- end
exercise.check_dopants(rows)

# %% [markdown]
# **Question.** You ask for twice as many look-alikes as there are dopants. What do you get?
#
# - a) A warning that there are no more.
# - b) The dopants, and as many ordinary columns, the next in order of distance.
# - c) Only the dopants: the others are not alike.

# %%
# --- solution
option = "b"
# --- end
exercise.question("twice as many", option)

# %% [markdown]
# ## 6 · Which way round?
#
# In `exercise.movie` one atom circles in each block of 20 × 20 pixels. `exercise.blocks` lists the centres of the
# blocks, and of some the direction, 1 or -1. Tell the direction of the others, those with 0, in the order of the
# table. Nine out of ten must be right. Each block has many stacks: let them vote.

# %%
# --- solution
blocks = exercise.blocks
stacked = TimeDelayDescriptor(5, size=20)
stacks = PCA(20, random_state=0).fit_transform(stacked.fit_transform(exercise.movie))
block = cKDTree(blocks[["x", "y"]]).query(stacked.positions_[["x", "y"]])[1]
# --- end

# %%
# --- solution
told = blocks.direction.to_numpy()[block]
guess = KNeighborsClassifier(5).fit(stacks[told != 0], told[told != 0]).predict(stacks)
votes = np.bincount(block, weights=guess)
directions = np.where(votes > 0, 1, -1)[blocks.direction == 0]
# --- end
exercise.check_directions(directions)

# %% [markdown]
# **Question.** Repeat this with one frame in a stack. Which share of the directions will be right, in the long run?
#
# - a) None: all are wrong.
# - b) About half.
# - c) About as many as with five frames: the place is what matters.

# %%
# --- solution
option = "b"
# --- end
exercise.question("one frame", option)

# %% [markdown]
# Try it, and then with every third frame. (No check.)
#
# ## 7 · Free: how small a dopant?
#
# Simulate MoS₂ with dopants ever closer to molybdenum in atomic number, or with fewer electrons, and ask `blindness`
# of sub-images and windows. Which sees more, and why? There is no check here.

# %% [markdown]
# ## How did it go?

# %%
check.summary()
