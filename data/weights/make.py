"""Train the networks that come with atomlens: `make weights`, or `python data/weights/make.py NAME`.

An interrupted training goes on where it stopped (its checkpoint lies in the system's temporary folder).
Everything is seeded; on another processor the last digits of a score may differ.
"""

import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from atomlens.columns import Scenes, import_atomai, load_model, losses, train
from atomlens.simulate import defects
from atomlens.simulate import structures as s

HERE = Path(__file__).parent
CHECKPOINTS = Path(tempfile.gettempdir())
SIZE = (10.0, 10.0)  # nm


def all_lattices():
    """Every lattice of the simulator, as the general model should know it."""
    dichalcogenides = ("MoS2", "WS2", "MoSe2", "WSe2", "MoTe2")
    return [
        s.graphene(SIZE),
        s.graphene_grain_boundary(SIZE),
        *[s.transition_metal_dichalcogenide(f, SIZE, layers=n) for f in dichalcogenides for n in (1, 2)],
        s.transition_metal_dichalcogenide("MoS2", SIZE, alloy={"W": 0.3}, random_state=1),
        s.transition_metal_dichalcogenide("WS2", SIZE, alloy={"Se": 0.4}, random_state=2),
        *[s.perovskite(SIZE, formula=f, zone=z) for f in ("SrTiO3", "PbTiO3") for z in ("001", "110")],
        s.perovskite(SIZE, formula="BiFeO3", polar=30.0, variants=(45, 135, 225, 315)),
        s.perovskite(SIZE, formula="BaTiO3", polar=20.0, variants=(0, 90, 180, 270)),
        *[s.dumbbells(f, SIZE) for f in ("Si", "GaAs", "CdTe")],
        s.dumbbells("CdTe", SIZE, twin=True),
        s.zirconia(SIZE),
        s.zirconia(SIZE, twin=True),
        s.molybdenum_vanadium_oxide(SIZE),
        s.molybdenum_vanadium_oxide(SIZE),
        *[s.metal(e, SIZE, zone=z) for e, z in (("Au", "001"), ("Al", "111"), ("Cu", "110"), ("Fe", "001"))],
        s.metal("Fe", SIZE, zone="001", grains=4, random_state=3),
        s.metal("Pt", SIZE, zone="110", grains=3, random_state=4),
        s.metal("W", SIZE, zone="111"),
        *[
            on_film(s.amorphous("C", SIZE, thickness=thickness, random_state=n), n)
            for n, thickness in ((60, 1.0), (150, 3.0), (300, 0.5))
        ],
    ]


def on_film(film, n):
    """Single heavy atoms that count, on a film that does not."""
    both = s.combine(film, s.single_atoms("Pt", SIZE, n=n, random_state=n))
    return replace(both, visible=(False, True), sublattices=("film", "Pt"))


def general():
    """The finder for any lattice: everything once, then more of what was mistaken.

    The hollows of a square lattice look like the sites of a faint second sublattice.
    """
    known = all_lattices()
    options = {"filters": 12, "batch_size": 16, "n_validation": 96, "workers": 1}
    scenes = Scenes(known, electrons=(15.0, 2500.0))
    checkpoint = CHECKPOINTS / "atomlens_general_1.ckpt"
    first = train(scenes, steps=6500, validate_every=500, checkpoint=checkpoint, **options)
    square = [s.metal(e, SIZE, zone="001") for e in ("Al", "Au", "Cu", "Fe", "W", "Pt")]
    close_packed = [s.metal(e, SIZE, zone=z) for e, z in (("Pt", "111"), ("Fe", "110"), ("Fe", "111"))]
    scenes = Scenes([*known, *square, *square, *close_packed], electrons=(15.0, 5000.0))
    return train(
        scenes,
        start=first,
        steps=1200,
        validate_every=300,
        learning_rate=1e-3,
        random_state=1,
        checkpoint=CHECKPOINTS / "atomlens_general_2.ckpt",
        **options,
    )


def cloudy_film(element, density, thickness, seed):
    """An amorphous film of uneven thickness, with clouds of all sizes.

    A few heavy atoms scatter and fluctuate as tens of nanometres of carbon do, and are drawn faster.
    """
    film = s.amorphous(element, SIZE, thickness=thickness, density=density, random_state=seed)
    rng = np.random.default_rng(seed)
    k = rng.uniform(0.05, 1.0, 60) * 2 * np.pi  # 1/nm
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 60))
    x, y = film.atoms.positions[:, :2].T / 10
    waves = np.cos(k * (np.outer(x, np.cos(angle)) + np.outer(y, np.sin(angle))) + phase)
    cloud = waves @ (1 / k)
    kept = rng.random(len(x)) < 0.5 + 0.25 * (cloud - cloud.mean()) / cloud.std()
    return replace(film, atoms=film.atoms[kept])


def single_atoms():
    """Single heavy atoms on films whose lumps come near to them: the general model, trained further.

    Then once more, with half of the scenes disturbed after counting, too.
    """
    films = [("Si", 2.3, 3.0), ("Ti", 4.5, 2.0), ("Fe", 4.0, 3.0), ("Zr", 6.0, 2.0)]  # g/cm3, nm
    planted = [
        on_film(cloudy_film(*film, seed=n + i), n) for i, film in enumerate(films) for n in (20, 50, 100)
    ]
    known = {"electrons": (100.0, 5000.0), "support": ("film",)}
    options = {"filters": 12, "n_validation": 128, "workers": 1, "learning_rate": 1e-3}
    general = load_model(HERE / "general.pt")
    first = train(Scenes(planted, **known), start=general, steps=600, validate_every=100, **options)
    wild = Scenes(planted, wild=0.5, **known)
    return train(wild, start=first, steps=1100, validate_every=220, random_state=3, **options)


def vacancies(loss, **options):
    """One sulphur column in a thousand lacks an atom: a needle in a haystack."""
    perfect = s.transition_metal_dichalcogenide("MoS2", (40.0, 40.0))
    planted = defects.vacancies(perfect, fraction=0.001, sublattice="S2", random_state=5)
    scenes = Scenes([planted], classes="defect", electrons=(300.0, 2000.0), disturbed=0.2)
    options = {"validate_every": 100, "n_validation": 320, "workers": 1, **options}
    return train(scenes, loss=loss, steps=600, **options)


def library_focal(logits, target, weight):
    """What AtomAI 0.8 calls the focal loss."""
    return import_atomai().losses_metrics.losses.focal_loss()(logits, target)


def dirty_graphene(classes, filters, steps, **options):
    """Graphene with silicon, under amorphous material and bad scans."""
    doped = defects.substitutions(s.graphene((12.0, 12.0)), species="Si", fraction=0.03, random_state=6)
    scenes = Scenes([doped], classes=classes, electrons=(60.0, 600.0), disturbed=1.0)
    options = {"validate_every": 100, "n_validation": 64, "workers": 1, **options}
    return train(scenes, filters=filters, steps=steps, **options)


def graphene(seed):
    """Where columns are, under dirt: one of an ensemble of small networks, and the first of a chain."""
    return dirty_graphene("column", filters=8, steps=500, random_state=seed)


def graphene_species_chained():
    """Carbon or silicon where the first network points: the second of the chain."""
    return dirty_graphene("species", filters=8, steps=500, after=load_model(HERE / "graphene_1.pt"))


def graphene_species():
    """Carbon or silicon, under dirt: one larger network."""
    return dirty_graphene("species", filters=12, steps=700)


RECIPES = {
    "general": general,
    "single_atoms": single_atoms,
    "vacancies_ce": partial(vacancies, "ce"),
    "vacancies_ce_even": partial(vacancies, "ce", prior_start=False),
    "vacancies_focal": partial(vacancies, "focal"),
    "vacancies_focal_75": partial(vacancies, partial(losses.focal, alpha=0.75)),
    "vacancies_library_focal": partial(vacancies, library_focal),
    "graphene_1": partial(graphene, 0),
    "graphene_2": partial(graphene, 1),
    "graphene_3": partial(graphene, 2),
    "graphene_species_chained": graphene_species_chained,
    "graphene_species": graphene_species,
}


def main(names):
    """Train the networks of these names, or all."""
    torch.set_num_threads(1)
    for name in names or RECIPES:
        print(f"== {name}", flush=True)
        model = RECIPES[name]()
        for checkpoint in CHECKPOINTS.glob(f"atomlens_{name}_*.ckpt"):
            checkpoint.unlink()  # or the next training of this name would end before it began
        best = model.history.loc[model.history["f1"].idxmax()]
        card = {
            "recipe": f"data/weights/make.py {name}",
            "validation_f1": round(float(best["f1"]), 4),
            "steps": int(model.history["step"].max()),
            "minutes_on_one_core": round(float(model.history["seconds"].max()) / 60, 1),
        }
        # the experiments of lesson 03b need no more than half precision
        model.save(HERE / f"{name}.pt", overwrite=True, card=card, half=name != "general")
        print(card)


if __name__ == "__main__":
    main(sys.argv[1:])
