# %% [markdown] tags=["solution"]
# *With solutions. This file is the source of the students' notebook: what stands between the markers is cut
# out there.*

# %% [markdown]
# # Exercises to lesson 07 · A library of defects
#
# **You will** name a defect that nobody else has · count bonds by hand · compute a conformal p-value · find the one
# defect that a library has not seen
#
# **Needs** [lesson 07](../07_defect_library.ipynb) · **Time** 30 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint.

# %%
import numpy as np

from atomlens import library, plotting
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
# --- solution
defect = library.extract(exercise.image)[0]
formula = defect.formula
# --- end
exercise.check_formula(formula)

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
# --- solution
distances = np.linalg.norm(exercise.carbon - exercise.silicon, axis=1)
neighbours = int((distances < 0.21).sum())
# --- end
exercise.check_neighbours(neighbours)

# %% [markdown]
# ## 3 · How unusual?
#
# `exercise.lonely` holds the distance of each of 60 members of a library to the member that is nearest to it, and
# `exercise.newcomer` that of a newcomer. What is its conformal p-value?

# %%
# --- solution
members = exercise.lonely
p_value = ((members >= exercise.newcomer).sum() + 1) / (len(members) + 1)
# --- end
exercise.check_p_value(p_value)

# %% [markdown]
# ## 4 · Seen before?
#
# `exercise.shelf` is a library. Two of the three images `exercise.candidates` show what it holds, one does not. Which
# one (0, 1 or 2)?

# %%
# --- solution
answers = [exercise.shelf.seen(library.extract(image, name="new")[0]) for image in exercise.candidates]
new = int(np.argmin([answer.p_value for answer in answers]))
# --- end
exercise.check_new(new)

# %%
from atomlens.course import check

check.summary()
