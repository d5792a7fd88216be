# %% [markdown]
# # 08 · Defects in motion
#
# **You will** find defects in a movie with a network that learnt from one frame · follow them · measure how fast they
# diffuse, with an interval that holds the truth · turn their states into a Markov chain, and correct it for mistakes
# of the eye
#
# **Needs** [lesson 03](03_atom_finding.ipynb) for networks, [lesson 05](05_patterson_ocsvm.ipynb) for defects
# · **Time** 45 min to read and play, about a minute to run
#
# Under the beam a sheet of WS₂ is alive. Defects hop from site to site, and change what they are. A movie holds
# hundreds of them, and two questions: *how fast do they move*, and *what becomes of what*? Both answers are easy to get
# and easy to get wrong. Published estimators are, and only planted truth shows it.

# %% tags=["hide-input"]
import warnings

import numpy as np
import pandas as pd
from IPython.display import Markdown
from scipy.spatial import cKDTree

from atomlens import datasets, dynamics, plotting, simulate, widgets
from atomlens.notebook import budget, show, show_film, stored_table

warnings.simplefilter("ignore", UserWarning)  # doubts are shown where they matter

# %% [markdown]
# ## 1 · A movie with an answer key
#
# A sheet of WS₂ at 0.03 nm a pixel, 2.25 s a frame. Defects of three kinds hop between metal sites; their kinds change
# by a chain that we planted. The film shows some of it with the true paths.

# %%
chain = [[0.90, 0.07, 0.03], [0.06, 0.88, 0.06], [0.05, 0.10, 0.85]]
n_frames = budget(full=100, fast=20)
movie = simulate.movies.hopping(
    30, n_frames=n_frames, shape=(320, 320), hop=0.06, matrix=chain, electrons=60, random_state=8
)
truth = movie.truth[movie.truth.visible]
states = sorted(truth.label.unique())
movie.extras["diffusion"].mean(), states

# %%
part = movie.data[: budget(full=20, fast=3), :160, :160]
inside = truth[(truth.x < 160) & (truth.y < 160) & (truth.frame < len(part))]
show_film(plotting.animation(part, inside, by="label"), alt="Defects hop between sites of a hexagonal sheet.")

# %% [markdown]
# **Figure 8.1.** Twenty frames of a corner. Circles are planted defects, in the colour of their kind.
