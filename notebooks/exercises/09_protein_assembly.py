# %% [markdown]
# # Exercises to lesson 09 · Proteins that assemble
#
# **You will** average angles that begin anew · say how well a domain is ordered · count turns beyond half a turn · free
# diffusion from rattling · find the frame from which a movie is noise
#
# **Needs** [lesson 09](../09_protein_assembly.ipynb) · **Time** 40 min
#
# Write your answers in place of the dots, and run the cell. The check below it answers at once: ✓, or a hint. Nothing
# breaks when an answer is wrong: each new try gets a hint that says more, and `check.hint()` asks for the next one.
# Questions are answered with a letter, such as `"a"`. What was right is kept in a folder `answers` beside this
# notebook, and `check.summary()` lists it, also after a restart.

# %%
import numpy as np

from atomlens import particles
from atomlens.course import check
from atomlens.course.protein_assembly import Exercise

# %% [markdown]
# Put your own name here. It seeds your samples: your numbers differ from your neighbour's.

# %%
exercise = Exercise("Ada Lovelace")

# %% [markdown]
# ## 1 · Halfway
#
# `exercise.angles` are those of rods in one domain, in degrees from 0 to 180. What is their mean direction?

# %%
# Your code here
arrow = ...
direction = ...
exercise.check_mean(direction)

# %% [markdown]
# **Question.** Why does the network return cos 2θ and sin 2θ, and not θ?
#
# - a) A network cannot return numbers as large as 180.
# - b) Because θ jumps where rods do not.
# - c) Two numbers are quicker than one.

# %%
# Your code here
option = ...
exercise.question("two numbers", option)

# %% [markdown]
# **Question.** A particle has three arms that are alike. Over which range does its angle run?
#
# - a) 360 degrees
# - b) 180 degrees
# - c) 120 degrees
# - d) 60 degrees

# %%
# Your code here
option = ...
exercise.question("period", option)

# %% [markdown]
# ## 2 · How well ordered
#
# The order of a domain is 1 if all rods are turned alike, and 0 if they lie anyhow. What is it for `exercise.angles`?

# %%
# Your code here
order = ...
exercise.check_order(order)

# %% [markdown]
# **Question.** For one particle the network returns (0.1, 0.05) for cosine and sine. What does that mean?
#
# - a) It does not know the angle.
# - b) The particle is far from the middle of the frame.
# - c) The particle is small.

# %%
# Your code here
option = ...
exercise.question("short arrow", option)

# %% [markdown]
# ## 3 · Round and round
#
# `exercise.theta` is the angle of one rod, frame by frame. By how many degrees has it turned in all?

# %%
# Your code here
step = ...
turned = ...
exercise.check_turn(turned)

# %% [markdown]
# **Question.** **Predict.** The substrate has minima at every 60 degrees, and a rod jumps over one of them. How far has it
# turned, as far as anybody can tell?
#
# - a) 120 degrees forward
# - b) Not at all
# - c) 60 degrees back

# %%
# Your code here
option = ...
exercise.question("hidden jump", option)

# %% [markdown]
# ## 4 · Turning without rattling
#
# `exercise.tracks` are forty particles, a frame every `exercise.dt` seconds. Each turns freely, and rattles besides. What is
# the rotational diffusion coefficient, in degrees squared a second?

# %%
# Your code here
coefficient = ...
exercise.check_diffusion(coefficient)

# %% [markdown]
# **Question.** A domain of fifty rods hops once. How much does that tell about the rate of hops?
#
# - a) As much as fifty hops of single rods.
# - b) As much as one hop.
# - c) More than fifty, for noise averages out.

# %%
# Your code here
option = ...
exercise.question("one witness", option)

# %% [markdown]
# **Question.** In a plot of two logarithms the tail of the steps is a straight line over a decade. Is it a Lévy flight?
#
# - a) Nobody can tell from that.
# - b) Yes, if both axes are logarithmic.
# - c) Yes, if there are enough steps.

# %%
# Your code here
option = ...
exercise.question("straight line", option)

# %% [markdown]
# ## 5 · Where to stop
#
# From one frame of `exercise.movie` on there is nothing but noise. From which, counted from 0?

# %%
# Your code here
quality = ...
poor = ...
exercise.check_frame(poor)

# %%
check.summary()
