"""Options of the commands, and the settings that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="Any microscopy file: dm3, dm4, emd, tif ...")
]
FilesArgument = Annotated[list[Path], typer.Argument(metavar="FILES...", help="Microscopy files.")]
Signal = Annotated[str | None, typer.Option(help="Which signal of a file with several: number or title.")]
Kind = Annotated[str | None, typer.Option(help="What the data are, where the file does not tell.")]
PixelSize = Annotated[float | None, typer.Option(help="Size of a pixel in nm.")]
LatticeLength = Annotated[
    str | None, typer.Option(help="Calibrate by the lattice: its length in nm, or two, 0.39,0.40.")
]
FeatureSize = Annotated[
    float | None, typer.Option(help="Size of a column in pixels, if the automatic one is wrong.")
]
Threshold = Annotated[float | None, typer.Option(help="Lowest score of a column, 0 to 1.")]
Rate = Annotated[
    float | None, typer.Option(help="False alarms of defects per unit cell.", show_default="1e-4")
]
Phases = Annotated[int | None, typer.Option(help="Number of phases; chosen by tests without.")]
Clusters = Annotated[int | None, typer.Option(help="Number of clusters; chosen by tests without.")]
SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="A settings.json of an earlier report.")
]
Only = Annotated[list[str] | None, typer.Option("--analysis", help="Only this; may be given several times.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the results.")]
Force = Annotated[bool, typer.Option("--force", help="Replace results that are there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")]


def settings_of(file=None, *, analyses=None, lattice=None, **options):
    """Settings of a file, changed by what was given on the command line."""
    from atomlens.report import Settings

    given = {name: value for name, value in options.items() if value is not None}
    if "signal" in given and given["signal"].isdigit():
        given["signal"] = int(given["signal"])
    if lattice is not None:
        try:
            lengths = tuple(float(part) for part in lattice.split(","))
        except ValueError:
            raise typer.BadParameter(f"{lattice!r} is no length in nm", param_hint="--lattice") from None
        given["lattice"] = lengths if len(lengths) > 1 else lengths[0]
    settings = Settings() if file is None else Settings.load(file)
    if analyses is not None:
        given["analyses"] = analyses
    return settings.with_(**given)
