"""What both uses of tblite share: the method, what it costs, and its errors in one line."""

METHOD = "GFN1-xTB"
MOST = 200  # atoms; more take many minutes to relax
_SECONDS = 0.35  # of one calculation of 50 atoms (measured on one core); it grows with the third power


def affordable(atoms, most, what):
    if len(atoms) > most:
        seconds = _SECONDS * (len(atoms) / 50) ** 3
        raise ValueError(
            f"{what} with {len(atoms)} atoms takes about {seconds:.0f} s a step: cut a smaller cell "
            f"(defect.structure(5) has 50), or allow it with max_atoms={len(atoms)}"
        )


def first_line(error):
    return str(error).strip().partition("\n")[0] or type(error).__name__
