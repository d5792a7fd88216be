# %% [markdown]
# # Exercises to lesson 07 · A library of defects
#
# **You will** name a defect that nobody else has · count bonds by hand · compute a conformal p-value · find the one
# defect that a library has not seen
#
# **Needs** [lesson 07](../07_defect_library.ipynb) · **Time** 30 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint. Nothing
# breaks when an answer is wrong: each new try gets a hint that says more, and `check.hint()` asks for the next one.
# Questions are answered with a letter, such as `"a"`. What was right is kept in a folder `answers` beside this
# notebook, and `check.summary()` lists it, also after a restart.

# %%
import numpy as np

from atomlens import library, plotting
from atomlens.course import check
from atomlens.course.defect_library import Exercise
from atomlens.notebook import show

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.

# %%
exercise = Exercise("Ada Lovelace")

# %% [markdown]
# ## 1 · What is its formula?
#
# Take the defect out of `exercise.image`. What is its formula, such as `"Si1C3"`?

# %%
# Your code here
defect = ...
formula = ...
exercise.check_formula(formula)

# %% [markdown]
# **Question.** In these images a column's light grows about as Z^1.7. How much brighter is silicon (Z = 14) than
# carbon (Z = 6)?
#
# - a) About 14 times
# - b) About 4 times
# - c) 2.3 times
# - d) As bright: both have four valence electrons.

# %%
# Your code here
option = ...
exercise.question("how bright", option)

# %% [markdown]
# **Question.** Two images show the same defect, one of them turned by 40°. What has to be done before they are
# compared?
#
# - a) A description that does not depend on the orientation, or the best of all turns.
# - b) Nothing: a library keeps an entry for each angle.
# - c) Nothing: pixels are compared.

# %%
# Your code here
option = ...
exercise.question("turned round", option)

# %%
figure, ax = plotting.new_figure(size=(3.2, 3.2))
plotting.draw_image(ax, exercise.image, title="Your image")
show(figure, alt="A cluster of silicon atoms in graphene.")

# %% [markdown]
# ## 2 · Count by hand
#
# `exercise.silicon` is the place of a silicon atom, `exercise.carbon` those of forty carbon atoms around another one
# of yours; all in nm. How many of them is it bonded to? Look at the distances first.

# %%
# Your code here
distances = ...
neighbours = ...
exercise.check_neighbours(neighbours)

# %% [markdown]
# **Question.** You count as neighbours all atoms within a distance. What makes a good distance?
#
# - a) It lies in the gap between the bonded atoms and the next ones.
# - b) As large as possible, to miss none.
# - c) The length of the shortest bond.

# %%
# Your code here
option = ...
exercise.question("where to cut", option)

# %% [markdown]
# ## 3 · How unusual?
#
# `exercise.lonely` holds the distance of each of 60 members of a library to the member that is nearest to it, and
# `exercise.newcomer` that of a newcomer. What is its conformal p-value?

# %%
# Your code here
members = ...
p_value = ...
exercise.check_p_value(p_value)

# %% [markdown]
# **Question.** A library has 19 members. What is the smallest conformal p-value that a newcomer can get?
#
# - a) 0.05
# - b) 0
# - c) 0.053
# - d) It has no smallest value.

# %%
# Your code here
option = ...
exercise.question("the smallest p", option)

# %% [markdown]
# **Question.** A newcomer has p = 0.6. What may you conclude?
#
# - a) With 60 % probability it is a member's kind.
# - b) It is new with 40 % probability.
# - c) It is not more unusual than members are among themselves.

# %%
# Your code here
option = ...
exercise.question("not unusual", option)

# %% [markdown]
# ## 4 · Seen before?
#
# `exercise.shelf` is a library. Two of the three images `exercise.candidates` show what it holds, one does not. Which
# one (0, 1 or 2)?

# %%
# Your code here
answers = ...
new = ...
exercise.check_new(new)

# %% [markdown]
# **Question.** Members were recorded at a high dose, a newcomer at a low one. Its p-value is 0.01. What now?
#
# - a) It is new.
# - b) It may just be noisier: p-values hold if newcomer and members were recorded alike.
# - c) The library is too small.

# %%
# Your code here
option = ...
exercise.question("another microscope", option)

# %% [markdown]
# **Question.** A hundred newcomers that all belong to kinds of the library are tested at p < 0.05. How many are
# called new?
#
# - a) About 95.
# - b) About 5.
# - c) None.

# %%
# Your code here
option = ...
exercise.question("a hundred known", option)

# %%
check.summary()
