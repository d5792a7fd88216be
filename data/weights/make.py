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
        *[atoms_on_carbon(n, thickness) for n, thickness in ((60, 1.0), (150, 3.0), (300, 0.5))],
    ]


def atoms_on_carbon(n, thickness):
    """Single heavy atoms that count, on a support that does not."""
    support = s.amorphous("C", SIZE, thickness=thickness, random_state=n)
    both = s.combine(support, s.single_atoms("Pt", SIZE, n=n, random_state=n))
    return replace(both, visible=(False, True))


def general():
    """The finder for any lattice: everything once, then again with more of what is easily mistaken.

    The hollows of a square lattice look like the sites of a faint second sublattice.
    """
    known = all_lattices()
    options = {"filters": 12, "batch_size": 16, "n_validation": 96, "workers": 1}
    scenes = Scenes(known, size=96, electrons=(15.0, 2500.0))
    checkpoint = CHECKPOINTS / "atomlens_general_1.ckpt"
    first = train(scenes, steps=6500, validate_every=500, checkpoint=checkpoint, **options)
    square = [s.metal(e, SIZE, zone="001") for e in ("Al", "Au", "Cu", "Fe", "W", "Pt")]
    close_packed = [s.metal(e, SIZE, zone=z) for e, z in (("Pt", "111"), ("Fe", "110"), ("Fe", "111"))]
    scenes = Scenes([*known, *square, *square, *close_packed], size=96, electrons=(15.0, 5000.0))
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


def rare_scenes():
    """One sulphur atom in 250 is missing: a needle in a haystack."""
    perfect = s.transition_metal_dichalcogenide("MoS2", (20.0, 20.0))
    planted = defects.vacancies(perfect, fraction=0.008, sublattice="S2", random_state=5)
    return Scenes([planted], classes="defect", electrons=(300.0, 2000.0), disturbed=0.2)


def rare(loss):
    """Find rare vacancies with this loss; nothing else differs."""
    return train(rare_scenes(), loss=loss, steps=500, validate_every=100, n_validation=64, workers=1)


def rare_library_focal():
    """Find rare vacancies with the loss that AtomAI 0.8 calls focal."""
    library = import_atomai().losses_metrics.losses.focal_loss()
    return rare(lambda logits, target, weight: library(logits, target))


def dirty_scenes(classes):
    """Graphene with silicon, under amorphous material and bad scans."""
    pure = s.graphene((12.0, 12.0))
    doped = defects.substitutions(pure, species="Si", fraction=0.03, random_state=6)
    return Scenes([doped], classes=classes, electrons=(60.0, 600.0), disturbed=1.0)


def one_net():
    """Carbon or silicon, under dirt: one large network."""
    return train(
        dirty_scenes("species"), filters=12, steps=700, validate_every=100, n_validation=64, workers=1
    )


def chain_first():
    """Where columns are, under dirt: the first small network of a chain."""
    return train(dirty_scenes("column"), filters=8, steps=500, validate_every=100, n_validation=64, workers=1)


def chain_second():
    """Carbon or silicon where the first network points: the second of the chain."""
    first = load_model(HERE / "chain_first.pt")
    return train(
        dirty_scenes("species"),
        after=first,
        filters=8,
        steps=500,
        validate_every=100,
        n_validation=64,
        workers=1,
    )


SHIPPED = ("general",)
RECIPES = {
    "general": general,
    "rare_ce": partial(rare, "ce"),
    "rare_focal": partial(rare, "focal"),
    "rare_library_focal": rare_library_focal,
    "one_net": one_net,
    "chain_first": chain_first,
    "chain_second": chain_second,
}


def main(names):
    """Train the named networks; without a name, those that are shipped (the others are experiments)."""
    torch.set_num_threads(1)
    for name in names or SHIPPED:
        print(f"== {name}", flush=True)
        model = RECIPES[name]()
        best = model.history.loc[model.history["f1"].idxmax()]
        card = {
            "recipe": f"data/weights/make.py {name}",
            "validation_f1": round(float(best["f1"]), 4),
            "steps": int(model.history["step"].max()),
            "minutes_on_one_core": round(float(model.history["seconds"].max()) / 60, 1),
        }
        model.save(HERE / f"{name}.pt", overwrite=True, card=card)
        print(card)


if __name__ == "__main__":
    main(sys.argv[1:])
