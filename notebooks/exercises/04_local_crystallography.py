# %% [markdown]
# # Exercises to lesson 04 · Local crystallography
#
# **You will** find phases, variants, vacancies and a hidden wave in crystals that nobody else has · turn a
# neighbourhood by hand · refuse a false ferroic
#
# **Needs** [lesson 04](../04_local_crystallography.ipynb) · **Time** 40 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint. Nothing
# breaks when an answer is wrong: each new try gets a hint that says more, and `check.hint()` asks for the next one.
# Questions are answered with a letter, such as `"a"`. What was right is kept in a folder `answers` beside this
# notebook, and `check.summary()` lists it, also after a restart.

# %%
import numpy as np

from atomlens import crystallography, lattice, plotting
from atomlens.course import check
from atomlens.course.local_crystallography import Exercise
from atomlens.crystallography import LocalCrystallography
from atomlens.notebook import show

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.
#
# All samples are tables of columns of PbTiO₃ along a cube axis, its sublattices `"Pb"` and `"Ti"`; most have a
# few columns missing. The figure shows lead in blue and titanium in orange.
# Where chance would have misled the verdict of the lesson (`mixture`, `suspects`), a sample was drawn anew: these show
# how to use it, not how often it is right.

# %%
exercise = Exercise("Ada Lovelace")
panels = {"strained": exercise.strained, "film": exercise.film, "mixture": exercise.mixture}
figure, axes = plotting.new_figure(1, 3, size=(10.4, 3.7))
for ax, (title, table) in zip(axes, panels.items(), strict=True):
    plotting.draw_phases(ax, table, table.sublattice == "Ti", title=title)
show(figure, alt="Three of your samples as dots, lead in blue and titanium in orange.")

# %% [markdown]
# ## 1 · The lattice
#
# `exercise.strained` was strained and turned. What are the lengths of its lattice vectors a and b, **in nm**, and
# the angle between them?

# %%
# Your code here
found = ...
a_and_b = ...
gamma = ...
exercise.check_lengths(a_and_b)
exercise.check_gamma(gamma)

# %% [markdown]
# **Question.** A crystal is turned by 5° and not strained. What changes?
#
# - a) Neither: only their directions.
# - b) The angle between a and b.
# - c) Lengths of a and b.
# - d) The area of the cell.

# %%
# Your code here
option = ...
exercise.question("turned only", option)

# %% [markdown]
# ## 2 · Four variants
#
# In `exercise.film` titanium is off centre, in one of four directions. Give each titanium atom one of four
# labels. Not every choice of `neighbors` will do.

# %%
# Your code here
film = ...
labels = ...
exercise.check_labels(labels)

# %% [markdown]
# **Question.** All titanium atoms of a domain are shifted by the same 20 pm. You describe each by vectors to its
# *titanium* neighbours. What do you see of the shift?
#
# - a) Half of it.
# - b) Nothing.
# - c) All of it.

# %%
# Your code here
option = ...
exercise.question("who moves", option)

# %% [markdown]
# ## 3 · A mean is known better than its members
#
# `exercise.domain` is a single domain, and its displacement little larger than the error of a column. How long
# is the displacement of titanium against lead, in pm, and where does it point (degrees from +x towards +y)?

# %%
# Your code here
shift = ...
dx = ...
dy = ...
length = ...
direction = ...
exercise.check_displacement(length)
exercise.check_direction(direction)

# %% [markdown]
# **Question.** Titanium is *not* displaced, and dx and dy have random errors of 6 pm each. What is the mean of the
# *lengths* of the measured displacements, over many atoms?
#
# - a) Exactly 6 pm.
# - b) More than 6 pm.
# - c) 0

# %%
# Your code here
option = ...
exercise.question("length of noise", option)

# %% [markdown]
# **Question.** One displacement is measured to 6 pm. How well is the mean over 100 atoms of a domain known?
#
# - a) 6 pm: errors do not go away.
# - b) 0.6 pm
# - c) 0.06 pm
# - d) 60 pm, as errors add up.

# %%
# Your code here
option = ...
exercise.question("a hundred atoms", option)

# %% [markdown]
# ## 4 · A rotation by hand
#
# `exercise.vectors` holds the neighbourhoods of five atoms, in pm, as an array of shape (5, 4, 2): atom,
# neighbour, (x, y). Neighbours 0 to 3 are at about 45°, 135°, 225° and 315°. Turn all of it by 90°, from +x
# towards +y, and put the neighbours back into their order: equation (4.2), with NumPy alone.

# %%
vectors = exercise.vectors
# Your code here
rotation = ...
turned = ...
exercise.check_turned(turned)

# %% [markdown]
# ## 5 · How many labels, how many phases?
#
# `exercise.mixture` has several polar variants. There may or may not be a phase that is not displaced, too. How
# many labels does `choose_n_clusters` recommend, and how many of them are variants of the ferroic phase?

# %%
settings = LocalCrystallography(center="Ti", neighbors="Pb", point_group="4mm")
# Your code here
choice = ...
n_labels = ...
mixture = ...
ferroic = ...
n_variants = ...
exercise.check_n_labels(n_labels)
exercise.check_n_variants(n_variants)

# %% [markdown]
# **Question.** The mean crystal has the point group 4mm. Titanium moves along a direction that is neither an axis nor
# a diagonal. How many variants can there be?
#
# - a) 2
# - b) 4
# - c) 8

# %%
# Your code here
option = ...
exercise.question("variants of a direction", option)

# %% [markdown]
# Which titanium atoms are in a phase that is *not* ferroic? Make an array of True and False, one for each atom in
# the order of the labels (all False if there is no such phase; atoms that have no label do not count).

# %%
# Your code here
undisplaced = ...
exercise.check_undisplaced(undisplaced)

# %% [markdown]
# ## 6 · Three claims
#
# A colleague clustered each of three samples into two labels, found that most atoms change their label when
# turned by 180°, shuffled the labels a thousand times, and reports three ferroic phases with two variants each:

# %%
for number, table in enumerate(exercise.suspects):
    claim = LocalCrystallography(n_clusters=2, center="Ti", neighbors="Pb", point_group="2").fit(table)
    labels, turned = claim.labels_, claim.replica_labels_[1]
    both = (labels >= 0) & (turned >= 0)
    labels, turned, rng = labels[both], turned[both], np.random.default_rng(0)
    closure = np.mean(turned != labels)
    p = np.mean([np.mean(turned != rng.permutation(labels)) >= closure for _ in range(1000)])
    print(f"sample {number}: {closure:.0%} change label when turned, p = {p:.3f}")

# %% [markdown]
# Judge them with `verdict_`, at a level of 1 %: a list of three p-values (again with two labels,
# `point_group="4mm"`), and a list of three numbers of polar variants in the field, 0 where the sample is not
# ferroic.

# %%
# Your code here
models = ...
p_values = ...
polar_variants = ...
exercise.check_p_values(p_values)
exercise.check_suspects(polar_variants)

# %% [markdown]
# **Question.** Why is p = 0 in all three of the colleague's tests?
#
# - a) A thousand shuffles are too few.
# - b) All three samples are ferroic.
# - c) Shuffling tests whether labels are random, and labels made by clustering never are.
# - d) Shuffling is always a bad test.

# %%
# Your code here
option = ...
exercise.question("shuffled labels", option)

# %% [markdown]
# **Question.** You judge 100 samples without any displacement at a level of 1 %. How many will be called ferroic?
#
# - a) None.
# - b) About 99.
# - c) About one.

# %%
# Your code here
option = ...
exercise.question("one in a hundred", option)

# %% [markdown]
# ## 7 · Vacancies
#
# `exercise.vacant` is turned and bent, and columns are missing inside it. How many of Pb, and how many of Ti?
# Hand in a list of two numbers.

# %%
# Your code here
indexed = ...
empty = ...
sublattice = ...
vacancies = ...
exercise.check_vacancies(vacancies)

# %% [markdown]
# ## 8 · A hidden wave
#
# In `exercise.wave` titanium is displaced to and fro by less than the error of a column. What is
# the wave vector, (q_a, q_b), in cycles per cell?

# %%
# Your code here
hoods = ...
waves = ...
wave_vector = ...
exercise.check_wave(wave_vector)

# %% [markdown]
# **Question.** A wave has q = (1/2, 1/4) cycles per cell. How many of the old cells does the smallest new one hold?
#
# - a) 2
# - b) 4
# - c) 6
# - d) 8

# %%
# Your code here
option = ...
exercise.question("two periods", option)

# %% [markdown]
# How many of the old cells does the smallest cell of this superlattice hold?

# %%
# Your code here
indices = ...
n_cells = ...
exercise.check_multiple(n_cells)

# %% [markdown]
# ## 9 · Free: how short a displacement?
#
# Simulate films with four variants as in lesson 04b, section 3, and lower `polar`, but ask the *verdict* instead of the
# labels. Down to which displacement are there four variants? And with `variants=(0,)`, a single one: down to
# which is it called ferroic? There is no check here, only two numbers that differ a lot.

# %% [markdown]
# ## How did it go?

# %%
check.summary()
