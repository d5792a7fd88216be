"""Train the networks that come with atomlens: `make weights`, or `python data/weights/make.py NAME`.

An interrupted training goes on where it stopped (its checkpoint lies in the system's temporary folder).
Everything is seeded; on another processor the last digits of a score may differ.
"""

import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from atomlens.columns import Scenes, import_atomai, load_model, train
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
        *[atoms_on_film("C", n, thickness) for n, thickness in ((60, 1.0), (150, 3.0), (300, 0.5))],
    ]


def atoms_on_film(element, n, thickness, density=2.0):
    """Single heavy atoms that count, on an amorphous film that does not."""
    film = s.amorphous(element, SIZE, thickness=thickness, density=density, random_state=n)
    both = s.combine(film, s.single_atoms("Pt", SIZE, n=n, random_state=n))
    return replace(both, visible=(False, True), sublattices=("film", "Pt"))


def cloudy():
    """Single atoms on films whose lumps come near to them.

    Few heavy atoms scatter and fluctuate together as tens of nanometres of carbon do, and are drawn faster.
    """
    films = [("Fe", 2.0, 3.0), ("Zn", 2.0, 3.0), ("Zr", 3.0, 2.0), ("Rh", 3.5, 2.5)]  # g/cm3, nm
    return [
        atoms_on_film(element, n + i, thickness, density)
        for i, (element, density, thickness) in enumerate(films)
        for n in (30, 90, 250)
    ]


def general():
    """The finder for any lattice: everything once, then more of what was mistaken.

    The hollows of a square lattice look like the sites of a faint second sublattice, and the lumps of a
    thick film like atoms.
    """
    known = all_lattices()
    options = {"filters": 12, "batch_size": 16, "n_validation": 96, "workers": 1}
    scenes = Scenes(known, electrons=(15.0, 2500.0), support=("film",))
    checkpoint = CHECKPOINTS / "atomlens_general_1.ckpt"
    first = train(scenes, steps=6500, validate_every=500, checkpoint=checkpoint, **options)
    square = [s.metal(e, SIZE, zone="001") for e in ("Al", "Au", "Cu", "Fe", "W", "Pt")]
    close_packed = [s.metal(e, SIZE, zone=z) for e, z in (("Pt", "111"), ("Fe", "110"), ("Fe", "111"))]
    known = [*known, *square, *square, *close_packed]
    scenes = Scenes(known, electrons=(15.0, 5000.0), support=("film",))
    second = more(first, scenes, steps=1200, seed=1, **options)
    scenes = Scenes([*known, *cloudy()], electrons=(15.0, 5000.0), support=("film",))
    return more(second, scenes, steps=1200, seed=2, **options)


def more(model, scenes, *, steps, seed, **options):
    """Go on training a model with other scenes."""
    return train(
        scenes,
        start=model,
        steps=steps,
        validate_every=steps // 4,
        learning_rate=1e-3,
        random_state=seed,
        checkpoint=CHECKPOINTS / f"atomlens_general_{seed + 1}.ckpt",
        **options,
    )


def vacancies(loss):
    """One sulphur column in a thousand lacks an atom: a needle in a haystack. Only the loss differs."""
    perfect = s.transition_metal_dichalcogenide("MoS2", (40.0, 40.0))
    planted = defects.vacancies(perfect, fraction=0.001, sublattice="S2", random_state=5)
    scenes = Scenes([planted], classes="defect", electrons=(300.0, 2000.0), disturbed=0.2)
    return train(scenes, loss=loss, steps=600, validate_every=100, n_validation=320, workers=1)


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
    "vacancies_ce": partial(vacancies, "ce"),
    "vacancies_focal": partial(vacancies, "focal"),
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
        best = model.history.loc[model.history["f1"].idxmax()]
        card = {
            "recipe": f"data/weights/make.py {name}",
            "validation_f1": round(float(best["f1"]), 4),
            "steps": int(model.history["step"].max()),
            "minutes_on_one_core": round(float(model.history["seconds"].max()) / 60, 1),
        }
        # the experiments of lesson 03 need no more than half precision
        model.save(HERE / f"{name}.pt", overwrite=True, card=card, half=name != "general")
        print(card)


if __name__ == "__main__":
    main(sys.argv[1:])
