"""Which point group the mean cell of a disturbed image is given, and whether a wrong one is doubted.

Crystals of `_wild.py`, from two generators that share no code, under each of its disturbances. Their point
groups in projection are known: 6mm (graphene), 4mm (SrTiO3), 3m (MoS2), 2mm (Si along [110]). Beside
`crystallography.cell_symmetry` stands what the lattice alone suggests: the largest group that its shape has.

Run: python benchmarks/symmetry_truth.py [--seed N] [--strong].
"""

import argparse
import warnings

import pandas as pd
from _wild import DISTURBANCES, LATTICES, draw

from atomlens import crystallography, lattice
from atomlens.crystallography.point_groups import POINT_GROUPS, point_group

GROUPS = {"graphene": "6mm", "SrTiO3": "4mm", "MoS2": "3m", "Si [110]": "2mm"}


def of_the_lattice(basis):
    """The largest point group that a lattice has by its shape: what one takes who does not look inside."""
    fits = []
    for symbol in POINT_GROUPS:
        for mirror in ((1, 0), (1, 1)):
            try:
                fits.append((len(point_group(symbol, basis, mirror=mirror)), symbol))
            except ValueError:
                continue
    return max(fits)[1]


def answers(generator, seed, strength):
    """One row an image."""
    for name in LATTICES:
        for disturbance in DISTURBANCES:
            case = draw(generator, name, disturbance, strength=strength, seed=seed)
            row = {"generator": generator, "lattice": name, "disturbance": disturbance}
            try:
                basis = lattice.estimate(case.image)
                found = crystallography.cell_symmetry(case.image, basis)
            except ValueError as error:  # no lattice, pixels that are not square: said, not silent
                yield row | {"found": "-", "right": False, "by shape": False, "doubt": str(error)}
                continue
            yield row | {
                "found": found.point_group,
                "right": found.point_group == GROUPS[name],
                "by shape": of_the_lattice(basis.basis) == GROUPS[name],
                "doubt": "; ".join([*basis.doubts, *found.doubts]),
            }


def main():
    """Print the share of right groups for each disturbance, and of wrong ones that carry a doubt."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=931000)
    parser.add_argument("--strong", action="store_true", help="twice as strong")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = pd.DataFrame(
        row
        for number, generator in enumerate(("simulate", "plain"))
        for row in answers(generator, chosen.seed + number, 2 if chosen.strong else 1)
    )
    rows["doubted"] = rows["doubt"] != ""
    print(rows.groupby("disturbance", sort=False)[["right", "by shape", "doubted"]].mean().round(2))
    wrong, right = rows[~rows["right"]], rows[rows["right"]]
    print(f"\nright {len(right)} of {len(rows)} (by the shape of the lattice {rows['by shape'].sum()})")
    print(f"wrong with a doubt {wrong['doubted'].sum()} of {len(wrong)}")
    print(f"right with a doubt {right['doubted'].sum()} of {len(right)}")
    silent = wrong[~wrong["doubted"]]
    if len(silent):
        print(silent[["generator", "lattice", "disturbance", "found"]].to_string(index=False))


if __name__ == "__main__":
    main()
