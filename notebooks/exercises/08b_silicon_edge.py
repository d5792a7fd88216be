# %% [markdown]
# # Exercises to lesson 08b · Silicon at the edge of graphene
#
# **You will** count the pictures of a state · merge classes that are copies of one another · count transitions in a
# table of detections · find the chain that has a memory
#
# **Needs** [lesson 08b](../08b_silicon_edge.ipynb) · **Time** 30 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint.

# %%
import numpy as np
import pandas as pd

from atomlens import dynamics, plotting
from atomlens.course.silicon_edge import Exercise
from atomlens.notebook import show

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.

# %%
exercise = Exercise("Ada Lovelace")

# %% [markdown]
# ## 1 · How many pictures?
#
# `exercise.picture` shows a defect in graphene. Turned by multiples of 60 degrees and mirrored, how many different
# pictures does it make?

# %%
show(
    plotting.class_means([exercise.picture], ["exercise.picture"]), alt="A bright atom and others around it."
)

# %%
# Your code here
symmetric = ...
copies = ...
exercise.check_copies(copies)

# %% [markdown]
# **Question.** Graphene leaves itself alone under twelve operations about an atom's hexagon. Which are they?
#
# - a) Twelve turns by 30°.
# - b) Six turns by 60°, with and without a mirror.
# - c) Six turns, and six translations.

# %%
# Your code here
option = ...
exercise.question("why twelve", option)

# %% [markdown]
# ## 2 · Which are the same?
#
# `exercise.classes` are mean pictures of classes, some of them copies of one another. Give each the number of its
# state, in any order.

# %%
show(plotting.class_means(exercise.classes), alt="Mean pictures of classes: atoms around a bright one.")

# %%
# Your code here
states = ...
exercise.check_states(states)

# %% [markdown]
# **Question.** A mixture finds seven classes of pictures where three states were planted. Why?
#
# - a) Noise makes four of them.
# - b) The mixture has failed.
# - c) Several classes are one state, turned or mirrored.

# %%
# Your code here
option = ...
exercise.question("more classes", option)

# %% [markdown]
# **Question.** A mean picture is blurred. What happens to the number of operations that seem to leave it alone?
#
# - a) It grows: the state looks more symmetric than it is.
# - b) It falls.
# - c) It stays: symmetry is a matter of the host.

# %%
# Your code here
option = ...
exercise.question("too symmetric", option)

# %% [markdown]
# ## 3 · Who stays?
#
# `exercise.sightings` lists what silicon atoms were in each frame. With what probability does one that is loose, a
# bridge, at the edge stay what it is until the next frame? Give the three, in this order.

# %%
exercise.sightings.head(8)

# %%
# Your code here
before = ...
matrix = ...
stay = ...
exercise.check_stay(stay)

# %% [markdown]
# **Question.** All rows of a table of detections are read as one sequence. What happens to the probability to
# stay?
#
# - a) It comes out too low.
# - b) It comes out too high.
# - c) Nothing, if there are many atoms.

# %%
# Your code here
option = ...
exercise.question("one sequence", option)

# %% [markdown]
# **Question.** An atom is seen for nine frames, then no more. What may be counted?
#
# - a) Nothing: its track is not complete.
# - b) Its eight steps.
# - c) Its eight steps, and one more into another state.

# %%
# Your code here
option = ...
exercise.question("lost sight", option)

# %% [markdown]
# ## 4 · Who remembers?
#
# In one of the three sets of tracks `exercise.suspects`, what an atom becomes depends on what it was before. In which
# (0, 1 or 2)?

# %%
# Your code here
p_values = ...
remembers = ...
exercise.check_memory(remembers)

# %% [markdown]
# **Question.** The test for a memory gives p = 0.3 on a short movie. What may be said?
#
# - a) There is no memory.
# - b) There is none, with 70 % probability.
# - c) None was seen; a weak one would not have been.

# %%
# Your code here
option = ...
exercise.question("no memory found", option)

# %%
from atomlens.course import check

check.summary()
