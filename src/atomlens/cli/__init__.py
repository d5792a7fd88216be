"""The command ``atomlens``: a new sample in ten minutes, without a line of Python.

Nothing is imported before a command needs it, so that ``atomlens --help`` answers at once.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from atomlens.cli._options import (
    AsJson,
    Clusters,
    FeatureSize,
    FileArgument,
    FilesArgument,
    Force,
    Kind,
    LatticeLength,
    Only,
    Out,
    Phases,
    PixelSize,
    Quiet,
    Rate,
    SettingsFile,
    Signal,
    Threshold,
    settings_of,
)
from atomlens.cli._output import as_dict, print_batch, print_findings, print_json, progress

__all__ = ["app", "main"]

_FAILED = 1  # exit code where the file is to blame; 2, of typer, where the command is
_EXAMPLES = """
[bold]Examples[/bold]

  atomlens inspect new.dm4                  what is it, and what can be done

  atomlens report new.dm4                   all that makes sense, as one page

  atomlens report new.tif --lattice 0.39    calibrated by a known lattice (nm)

  atomlens compare before.dm4 after.dm4     one table, with errors

  atomlens batch *.dm4 --out results        many files, on all cores
"""

app = typer.Typer(
    name="atomlens",
    help="Columns, defects, domains, phases and clusters of atomic-resolution data, with their doubts.",
    epilog=_EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        from atomlens import __version__

        typer.echo(f"atomlens {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the code an error arose.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of every command; `main` looks for --debug itself."""


def main() -> None:
    """Run the command line; a mistake of the user ends in one sentence, not in a stack trace."""
    try:
        app(prog_name="atomlens")
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        raise SystemExit(130) from None
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"Error: {_sentence(error)}", err=True)
        raise SystemExit(_FAILED) from None


def _sentence(error):
    """The message of an error; where it is none for users, its type as well, and how to learn more."""
    text = str(error).strip()
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, (ValueError, TypeError, OSError, ImportError)) and text:
        return text
    return f"{type(error).__name__}: {text or 'no message'} (atomlens --debug ... shows where)"


@app.command()
def inspect(
    file: FileArgument, signal: Signal = None, kind: Kind = None, pixel_size: PixelSize = None,
    as_json: AsJson = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Say what a file holds, what kind of sample it is, and which analyses make sense."""
    from atomlens import io, survey

    settings = settings_of(signal=signal, kind=kind, pixel_size=pixel_size)
    found = io.signals(file)
    if len(found) > 1 and settings.signal is None:
        if as_json:
            print_json({"file": str(file), "signals": found.to_dict("index")})
        else:
            typer.echo(found.to_string())
            typer.echo("Choose one with --signal, by number or title.", err=True)
        return
    with progress(quiet) as tell:
        tell("Looking")
        data = io.read(file, signal=settings.signal, kind=settings.kind, pixel_size=settings.pixel_size)
        sample = survey(data, kind=settings.kind)
    if as_json:
        rows = sample.analyses[["sensible", "why"]].to_dict("index")
        print_json(
            {
                "file": str(file),
                "kind": sample.kind,
                "facts": sample.facts,
                "analyses": rows,
                "doubts": sample.doubts,
            }
        )
    else:
        typer.echo(repr(sample).strip("<>"))


def _analysis(settings, file, out, force, as_json, quiet):
    """One analysis of a file: numbers to the terminal, tables, maps and figures into a folder."""
    from atomlens import report

    if out is not None:
        report.check_place(out, force=force)
    with progress(quiet) as tell:
        findings = report.examine(file, settings, progress=tell)
        page = None if out is None else report.write(findings, out, force=force)
    if as_json:
        print_json(as_dict(findings))
    else:
        print_findings(findings, quiet)
        if page is not None:
            typer.echo(page)


@app.command()
def columns(
    file: FileArgument, signal: Signal = None, pixel_size: PixelSize = None, lattice: LatticeLength = None,
    feature_size: FeatureSize = None, threshold: Threshold = None, settings: SettingsFile = None,
    out: Out = None, force: Force = False, as_json: AsJson = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Find atomic columns, with errors; --out writes the table."""
    chosen = settings_of(
        settings,
        analyses=("columns",),
        signal=signal,
        pixel_size=pixel_size,
        lattice=lattice,
        feature_size=feature_size,
        threshold=threshold,
    )
    _analysis(chosen, file, out, force, as_json, quiet)


@app.command()
def defects(
    file: FileArgument, signal: Signal = None, pixel_size: PixelSize = None, lattice: LatticeLength = None,
    false_alarm_rate: Rate = None, settings: SettingsFile = None, out: Out = None, force: Force = False,
    as_json: AsJson = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Find what is not the crystal, at a false-alarm rate that is kept."""
    chosen = settings_of(
        settings,
        analyses=("defects",),
        signal=signal,
        pixel_size=pixel_size,
        lattice=lattice,
        false_alarm_rate=false_alarm_rate,
    )
    _analysis(chosen, file, out, force, as_json, quiet)


@app.command()
def domains(
    file: FileArgument, signal: Signal = None, pixel_size: PixelSize = None, lattice: LatticeLength = None,
    settings: SettingsFile = None, out: Out = None, force: Force = False, as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Segment grains, twins and phases, as many as there are."""
    chosen = settings_of(
        settings, analyses=("domains",), signal=signal, pixel_size=pixel_size, lattice=lattice
    )
    _analysis(chosen, file, out, force, as_json, quiet)


@app.command()
def phases(
    file: FileArgument, signal: Signal = None, pixel_size: PixelSize = None, lattice: LatticeLength = None,
    feature_size: FeatureSize = None, threshold: Threshold = None, n_phases: Phases = None,
    settings: SettingsFile = None, out: Out = None, force: Force = False, as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Tell phases by the neighbourhoods of atoms, and whether they are ferroic."""
    chosen = settings_of(
        settings,
        analyses=("phases",),
        signal=signal,
        pixel_size=pixel_size,
        lattice=lattice,
        feature_size=feature_size,
        threshold=threshold,
        n_phases=n_phases,
    )
    _analysis(chosen, file, out, force, as_json, quiet)


@app.command()
def clusters(
    file: FileArgument, signal: Signal = None, kind: Kind = None, n_clusters: Clusters = None,
    settings: SettingsFile = None, out: Out = None, force: Force = False, as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Cluster the spectra of a spectrum image, as many clusters as tests support."""
    chosen = settings_of(settings, analyses=("clusters",), signal=signal, kind=kind, n_clusters=n_clusters)
    _analysis(chosen, file, out, force, as_json, quiet)


@app.command()
def latent(
    file: FileArgument, signal: Signal = None, pixel_size: PixelSize = None, lattice: LatticeLength = None,
    settings: SettingsFile = None, out: Out = None, force: Force = False, as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Learn what varies from window to window (shift-VAE; a minute or more)."""
    chosen = settings_of(
        settings, analyses=("latent",), signal=signal, pixel_size=pixel_size, lattice=lattice
    )
    _analysis(chosen, file, out, force, as_json, quiet)


@app.command()
def look(
    file: FileArgument, signal: Signal = None, pixel_size: PixelSize = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The picture: .png, .svg or .pdf.")] = None,
    force: Force = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """One figure of an image: columns, lattice, defects and domains."""
    import atomlens
    from atomlens import io
    from atomlens._replace import replacing

    settings = settings_of(signal=signal, pixel_size=pixel_size)
    out = Path(f"{file.stem}_look.png") if out is None else out
    if out.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise typer.BadParameter(f"{out.name}: choose .png, .svg or .pdf", param_hint="--out")
    with progress(quiet) as tell:
        tell("Looking")
        data = io.read(file, signal=settings.signal, pixel_size=settings.pixel_size)
        with replacing([out], overwrite=force) as (temporary,):
            seen = atomlens.look(data)
            seen.figure.savefig(temporary, dpi=200)
    typer.echo(repr(seen).strip("<>"))
    typer.echo(out)


@app.command()
def report(
    file: FileArgument, signal: Signal = None, kind: Kind = None, pixel_size: PixelSize = None,
    lattice: LatticeLength = None, feature_size: FeatureSize = None, threshold: Threshold = None,
    false_alarm_rate: Rate = None, n_phases: Phases = None, n_clusters: Clusters = None,
    analysis: Only = None,
    settings: SettingsFile = None, out: Out = None, force: Force = False, as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Make every analysis that makes sense, and write one HTML file that opens anywhere."""
    from atomlens import report as reports

    only = tuple(analysis) if analysis else None
    chosen = settings_of(
        settings, analyses=only, signal=signal, kind=kind, pixel_size=pixel_size, lattice=lattice,
        feature_size=feature_size, threshold=threshold, false_alarm_rate=false_alarm_rate,
        n_phases=n_phases, n_clusters=n_clusters,
    )  # fmt: skip
    out = Path(f"{file.stem}_report") if out is None else out
    reports.check_place(out, force=force)
    start = time.perf_counter()
    with progress(quiet) as tell:
        findings = reports.examine(file, chosen, progress=tell)
        tell("Writing")
        page = reports.write(findings, out, force=force)
    if as_json:
        print_json(as_dict(findings) | {"report": str(page)})
        return
    print_findings(findings, quiet)
    if not quiet:
        typer.echo(f"done in {time.perf_counter() - start:.0f} s", err=True)
    typer.echo(page)


@app.command()
def compare(
    files: FilesArgument, signal: Signal = None, pixel_size: PixelSize = None, lattice: LatticeLength = None,
    false_alarm_rate: Rate = None, settings: SettingsFile = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the table: a .csv.")] = None,
    force: Force = False, as_json: AsJson = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Make the same analysis of several files: one table, with errors."""
    from atomlens import report as reports

    chosen = settings_of(
        settings, signal=signal, pixel_size=pixel_size, lattice=lattice, false_alarm_rate=false_alarm_rate
    )
    if len(files) < 2:
        raise typer.BadParameter("give two files at least", param_hint="FILES...")
    with progress(quiet) as tell:
        table, doubts = reports.compare(files, chosen, progress=tell)
    if out is not None:
        from atomlens import io

        io.write(table.reset_index(), out, overwrite=force)
    if as_json:
        print_json({"files": table.T.to_dict(), "doubts": doubts})
        return
    typer.echo(table.T.to_string(na_rep="–"))
    if not quiet:
        for name, said in doubts.items():
            for doubt in said:
                typer.secho(f"doubt: {name}: {doubt}", fg="yellow", err=True)


@app.command()
def batch(
    files: FilesArgument, out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    pixel_size: PixelSize = None, lattice: LatticeLength = None, analysis: Only = None,
    settings: SettingsFile = None,
    workers: Annotated[int, typer.Option(help="Processes on this machine.")] = 2,
    scheduler: Annotated[str | None, typer.Option(help="A Dask cluster instead: tcp://host:8786.")] = None,
    pages: Annotated[bool, typer.Option("--reports", help="Also write the report of every file.")] = False,
    force: Force = False, as_json: AsJson = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Examine many files the same way, on several processes or a cluster.

    Called again it goes on where it stopped. A file that cannot be examined is listed, and stops nothing.
    """
    from atomlens import batch as batches

    only = tuple(analysis) if analysis else None
    chosen = settings_of(settings, analyses=only, pixel_size=pixel_size, lattice=lattice)
    work = _work(chosen, out if pages else None)
    done = batches.run(
        work, files, out, scheduler=scheduler, workers=workers, force=force, progress=not quiet
    )
    print_batch(done, out, as_json, quiet)


@app.command()
def watch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where new files appear.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the reports.")],
    pattern: Annotated[str, typer.Option(help='Which files, such as "*.dm4".')] = "*",
    pixel_size: PixelSize = None, lattice: LatticeLength = None, settings: SettingsFile = None,
    stop_after: Annotated[int | None, typer.Option(help="Stop after so many files.")] = None,
    force: Force = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Make a report of each new file in a folder, until Ctrl-C."""
    from atomlens import batch as batches

    work = _work(settings_of(settings, pixel_size=pixel_size, lattice=lattice), out)
    done = batches.watch(
        work, folder, out, pattern=pattern, stop=stop_after, workers=1, force=force, progress=not quiet
    )
    print_batch(done, out, False, quiet)


def _work(settings, out):
    """What is done with each file of a batch; its report goes into the folder beside the results."""
    from functools import partial

    from atomlens.report import results

    if out is None:
        return partial(results, settings=settings)
    pages = out.resolve().with_name(f"{out.name}_reports")
    pages.mkdir(parents=True, exist_ok=True)
    return partial(results, settings=settings, pages=pages)


@app.command()
def datasets(as_json: AsJson = False) -> None:
    """List the data sets that come with atomlens, or that it can fetch."""
    from atomlens import datasets as sets

    table = sets.list()
    if as_json:
        print_json(table.reset_index().to_dict("records"))
    else:
        typer.echo(table.to_string())
