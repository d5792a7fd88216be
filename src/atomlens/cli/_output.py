"""What the commands print: numbers and doubts in words, or JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer


@contextmanager
def progress(quiet):
    """A line that says what is being done, where somebody looks at it."""
    import warnings

    shown = not quiet and sys.stderr.isatty()

    def tell(title):
        if shown:
            typer.echo(f"\r\033[K{title} ...", nl=False, err=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what was noticed is printed as a doubt
        try:
            yield tell
        finally:
            if shown:
                typer.echo("\r\033[K", nl=False, err=True)


def _plain(value: Any) -> Any:
    """A value in types that JSON has; what is not finite is null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, Iterable):
        return [_plain(v) for v in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_json(value):
    typer.echo(json.dumps(_plain(value), indent=1, ensure_ascii=False))


def as_dict(findings):
    """Findings as a dict."""
    numbers = {name: row.to_dict() for name, row in findings.numbers.iterrows()}
    return {
        "file": str(findings.path),
        "sha256": findings.sha256,
        "kind": findings.sample.kind,
        "facts": findings.sample.facts,
        "numbers": numbers,
        "doubts": findings.doubts,
        "settings": findings.settings.changed,
    }


def print_findings(findings, quiet):
    width = max(map(len, findings.said), default=0)
    for name, said in findings.said.items():
        typer.echo(f"{name:{width}}  {said}")
    if not quiet:
        for doubt in findings.doubts:
            typer.secho(f"doubt: {doubt}", fg="yellow", err=True)


def print_batch(done, out, as_json, quiet):
    """One column a file, and a line for each that could not be examined."""
    table = done.table.set_index("file")
    if as_json:
        print_json({"files": table.T.to_dict(), "out": str(out)})
        return
    shown = table.drop(columns=["doubts", "error", "warnings"], errors="ignore")
    shown.index = [Path(name).name for name in shown.index]
    typer.echo(shown[(table["status"] == "done").to_numpy()].T.to_string(na_rep="–"))
    typer.echo(out)
    if not quiet:
        for name, error in table.loc[table["status"] == "failed", "error"].items():
            typer.secho(f"failed: {Path(name).name}: {error}", fg="yellow", err=True)
