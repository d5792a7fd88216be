# %% [markdown]
# # 09 · Proteins that assemble
#
# <div class="alert alert-block alert-info">
#
# **You will** find every particle of a movie and how it is turned, with a network that learnt from one frame · say how
# sure each angle is · follow particles and domains in time · measure how they turn, without taking noise for motion
#
# **Needs** [lesson 03](03_atom_finding.ipynb) for networks, [lesson 08](08_defect_dynamics.ipynb) for tracks ([what to
# know first](before_you_start.md), [glossary](glossary.md)) · **Time** 45 min live
#
# </div>
#
# On mica, proteins lie down, turn, and join into lattices. A high-speed atomic force microscope (AFM) films it: one frame
# a second, each pixel a height. To understand the assembly, one needs the place *and the angle* of every particle. Atoms
# are round; here the network must return a direction.

# %% tags=["hide-input"]
import warnings

import numpy as np
import pandas as pd

from atomlens import datasets, lattice, particles, plotting, simulate, widgets
from atomlens.notebook import budget, findings, show

warnings.simplefilter("ignore", UserWarning)  # doubts are printed where they matter

# %% [markdown]
# ## 1 · Play before you read
#
# A *phantom*, a simulated movie whose answer is planted: rods 18 nm long on a surface with six minima a turn. Lattices
# nucleate and grow. Now and then one hops to the next minimum, and every rod rattles around its own.

# %%
microscope = simulate.particles.Afm(noise=0.4, line_step=0.2, tilt=(2, 1), scars=1)
scene = {"n_domains": 5, "growth": 2.6, "hop": 0.03, "rattle": 3.0, "drift": (0.3, 0.1)}
movie = simulate.particles.assembly(
    "rod", n_frames=budget(full=20, fast=6), **scene, microscope=microscope, random_state=3
)
truth = movie.truth

# %% [markdown]
# Move the slider, and click a rod: right is how it has turned since it was first seen. Find one that hops. By how many
# degrees?

# %%
planted = particles.link(truth.drop(columns="particle"), symmetry=2)
widgets.particle_explorer(movie.data, planted, symmetry=2, name="planted", frame=len(movie.data) - 1)

# %% [markdown]
# **Figure 9.1.** Each rod carries a line along its axis; equal colours are equal angles. A rod looks the same after half
# a turn, so its angle runs from 0 to 180 degrees only. That is its **symmetry**, n = 2.
#
# ## 2 · Make it level
#
# A frame is drawn line by line. The sample is tilted, lines step up and down, and where the tip loses the surface a *scar*
# is left. `particles.level` fits a plane and then each line to the *substrate* only: particles would pull both up.

# %%
last = len(movie.data) - 1
raw, flat = movie.data[last], particles.level(movie.data[last])
figure, axes = plotting.new_figure(1, 2, size=(9.0, 4.2))
plotting.draw_image(axes[0], raw, title="As recorded")
plotting.draw_image(axes[1], flat, title="Level")
show(figure, alt="A frame with tilt, steps of lines and a scar; and the same frame without them.")

# %% [markdown]
# **Figure 9.2.** The last frame, before and after. What remains dark between rods is not as low as the substrate: the
# tip is too blunt to reach it.
#
# ## 3 · A network that knows directions
#
# One frame is labelled by hand. Try it on three rods:

# %%
widgets.particle_labeller(flat, symmetry=2)

# %% [markdown]
# All of them take a quarter of an hour (`labeller.model.labels` is the table); here the answer key does it. Crops of the
# frame are turned by any angle, and their labels with them. Noise, steps and scars are added, and rods are put into
# gaps. So one frame becomes thousands.
#
# What should the network return? Not the angle: 179 and 1 degrees are neighbours, but their numbers are not. Two numbers
# without a jump are
#
# $$ (\cos n\theta,\; \sin n\theta). \tag{9.1} $$
#
# They also say how sure they are. Where two directions are as likely, the mean of both is short.

# %%
labels = truth[truth.frame == last]
model = particles.train(flat, labels, symmetry=2, steps=budget(full=240, fast=30))

# %%
figure, axes = plotting.new_figure(1, 2, size=(9.4, 3.8))
model.history.rolling(10, min_periods=1).mean().plot(ax=axes[0])
axes[0].set(xlabel="step", ylabel="loss", yscale="log", title="Training")
first = budget(full=12, fast=4)
seen = model.find(particles.level(movie.data[first]))
plotting.draw_particles(axes[1], movie.data[first], seen, symmetry=2, title=f"Found in frame {first}")
show(figure, alt="Losses fall; rods of a frame that taught nothing carry lines along their axes.")

# %% [markdown]
# **Figure 9.3.** Left both losses, right what the network finds in a frame that it has not seen. It is an encoder-decoder
# with skip connections; where the picture is smallest, *dilated* convolutions look at surroundings of several sizes. At the
# end the mean labelled rod is fitted to each place: the network says where to begin.
#
# ## 4 · Is it better than something simple?
#
# Always ask. **Template matching** turns the mean rod to many angles and correlates. **Moments** take the places for
# granted, and compute the axis of what is high around them.


# %%
def by_template(frame):
    return particles.by_template(frame, labels, symmetry=2, radius=14, labelled=flat)


def by_moments(frame):
    return particles.by_moments(frame, model.find(frame), symmetry=2, radius=11)


ways = {"network and fit": model.find, "template": by_template, "moments, at its places": by_moments}
rows = []
for t in budget(full=(4, 9, 14), fast=(2,)):
    frame, key = particles.level(movie.data[t]), truth[truth.frame == t]
    for way, find in ways.items():
        score = particles.agreement(find(frame), key, symmetry=2, tolerance=5, border=8, shape=frame.shape)
        rows.append((way, t, score.f1, score.median_error))
scores = pd.DataFrame(rows, columns=["way", "frame", "F1", "angle error (degrees)"])
scores.pivot_table(index="way", columns="frame", sort=False).round(2)

# %% [markdown]
# Rods that touch make the difference. A template sees its neighbours as part of itself, and moments add them up. On a
# rod that lies alone, a template is as exact.
#
# An angle without an error is half an answer. `theta_err` comes from what the fit leaves over: how large residuals are,
# and how they go together along the scan, as tip and feedback smear. Errors over `theta_err` are z-scores: their spread
# should be one.

# %%
frame, key = particles.level(movie.data[first]), truth[truth.frame == first]
score = particles.agreement(model.find(frame), key, symmetry=2, tolerance=5, border=8, shape=frame.shape)
print(score)
print(f"spread of z-scores {1.4826 * np.median(np.abs(score.z)):.2f}, should be 1")

# %% [markdown]
# <details><summary><b>Question.</b> A network is trained with n = 1 on rods. What does it learn?</summary>
#
# Half of all labels contradict the other half: the same picture, angles 180 degrees apart. The mean of both directions is
# zero, so the angle is noise, and its length says so.
#
# </details>
#
# ## 5 · Who is who
#
# Tracks are linked by place ([lesson 08](08_defect_dynamics.ipynb)), and where two are as near, by angle.

# %%
found = model.find_all(movie.data)
tracks = particles.link(found, symmetry=2)
print(f"{len(found)} particles found, {len(truth)} planted; {tracks.particle.nunique()} tracks")
print(*tracks.attrs["doubts"], sep="\n")

# %% [markdown]
# Neighbours that are turned alike make a **domain**. Its angle is a *circular* mean: the direction of the sum of all
# $e^{in\theta}$, whose length per particle is the **order**.

# %%
grown = particles.domains(found, symmetry=2, reach=24)
show(plotting.domain_growth(grown), alt="Particles over frames; and the angles of domains over frames.")

# %% [markdown]
# **Figure 9.4.** Left: growth. Right: every domain by its angle, its area the particles in it. Angles keep to multiples of
# 60 degrees, the minima of the substrate. Nobody told the network.
#
# ## 6 · How do they turn?

# %%
show(
    plotting.turns(tracks), alt="Turns of tracks over frames; and the distribution of steps, with side peaks."
)

# %% [markdown]
# **Figure 9.5.** Left: turns of single rods. Right: steps between frames, on a logarithmic axis. In the middle is
# rattling, plus errors of angles. Far out are the hops.
#
# The mean square step over twice the time is a rotational diffusion coefficient, and wrong: it takes rattling for motion.
# But noise that moves an angle there must move it back. Successive steps $s, s'$ are then anticorrelated:
#
# $$ D = \frac{\langle s^2 \rangle}{2t} + \frac{\langle s s' \rangle}{t}. \tag{9.2} $$

# %%
turning = particles.rotational_diffusion(tracks, dt=1.0)
print(turning)
print(f"mean square step over twice the time: {turning.naive:.1f} deg²/s")

# %% [markdown]
# Rods of one domain turn together, so they are one witness, not fifty. The interval does not know this, and is too narrow.
# Count jumps of *domains* instead: neighbours that jump together are one event.

# %%
jumped = particles.jumps(tracks, symmetry=2, reach=24, dt=1.0)
print(jumped)
print(f"planted {scene['hop']} a second and domain")
jumped.events.round(1)

# %% [markdown]
# Few events, wide interval. A longer movie helps; more rods in a domain do not. The doubt is real: when a domain jumps,
# rods at its rim move far, and the linker loses them.
#
# Are steps a **Lévy flight**, with rare long jumps? A straight line in a plot of two logarithms proves nothing. Three models
# compete on steps that they have not seen: normal; rattling with hops, which are two normals; and a heavy tail.

# %%
steps = tracks.sort_values("frame").groupby("particle").turn.diff().dropna()
steps = steps[steps != 0]
tails = particles.step_tails(steps)
print(tails)
tails.table.round(3)

# %% [markdown]
# We planted rattling and hops. What the test says is worth no more than its models. And a rod hides most of a long
# tail: a jump by 120 degrees looks like one by -60.
#
# ## 7 · A real movie
#
# A protein lattice under high-speed AFM (playNano). Before any analysis: which frames can be trusted? What is on the surface
# stays from frame to frame, and noise does not.

# %%
real = datasets.load("hs_afm_lattice", or_phantom=True).data
quality = particles.frame_quality(real)
quality.groupby("verdict", sort=False).frame.agg(["min", "max", "size"])

# %%
good = quality.frame[quality.verdict == "good"].to_numpy()
chosen = [good[0], good[len(good) // 2], *quality.frame[quality.verdict != "good"].iloc[[0, -1]]]
figure, axes = plotting.new_figure(1, 4, size=(10.4, 2.9))
for ax, t in zip(axes, chosen, strict=True):
    picture = particles.level(real[int(t)])
    plotting.draw_image(ax, picture, title=f"Frame {t}: {quality.verdict[t]}")
show(figure, alt="Four frames of a lattice of rings: two good ones, one that is streaky, one of noise.")

# %% [markdown]
# **Figure 9.6.** The lattice fades in some frames, and is gone in others. An analysis that reads all frames alike averages
# over noise. Of the good ones, the lattice ([lesson 04](04_local_crystallography.ipynb)):

# %%
for t in good[:: max(1, len(good) // 5)]:
    print(f"frame {t}: {lattice.estimate(particles.level(real[int(t)]))}")

# %% [markdown]
# ## 8 · Where it fails
#
# *Another particle.* A network of rods is shown tiles. It finds something in them, with angles that mean nothing. Only what
# the fits leave over tells: residuals of noise alone do not go together from line to line.

# %%
tiles = simulate.particles.scattered("tile", coverage=0.2, microscope=microscope, random_state=5)
wrong = model.find(particles.level(tiles.data))
print(
    f"{len(tiles.truth)} tiles; {len(wrong)} 'rods', median theta_err {wrong.theta_err.median():.1f} degrees",
    *wrong.attrs["doubts"], sep="\n",
)  # fmt: skip

# %% [markdown]
# *A blunt tip.* It makes everything wider, and the gaps between neighbours vanish:

# %%
rows = []
for tip in (1.0, 3.0, 6.0):
    blunt = simulate.particles.Afm(noise=0.4, tip=tip)
    worn = simulate.particles.scattered("rod", coverage=0.3, touching=True, microscope=blunt, random_state=6)
    score = particles.agreement(
        model.find(particles.level(worn.data)), worn.truth, symmetry=2, tolerance=5, border=8,
        shape=worn.data.shape,
    )  # fmt: skip
    rows.append((tip, score.f1, score.median_error))
blunted = pd.DataFrame(rows, columns=["radius of the tip (nm)", "F1", "angle error (degrees)"])
blunted.round(2)

# %% [markdown]
# ## What stays

# %% tags=["hide-input"]
mine = scores[scores.way == "network and fit"]
findings(
    f"- One labelled frame is enough: F1 {mine['F1'].min():.2f} at worst in frames that taught nothing, angles within "
    f"{mine['angle error (degrees)'].max():.1f}° (median).\n"
    f"- Without its noise, diffusion is {turning.coefficient:.0f} deg²/s; with it, {turning.naive:.0f}.\n"
    "- Angles of symmetric particles are folded, neighbours are one witness, and late frames may be noise: say so."
)

# %% [markdown]
# **Next** the [exercises](exercises/09_protein_assembly.ipynb), and [your own sample](10_your_sample.ipynb).
