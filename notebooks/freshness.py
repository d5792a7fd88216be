"""Fingerprints of what a notebook's outputs depend on: its code, modules of atomlens, tables of benchmarks.

Comments, docstrings and layout do not count, so prose can be polished without running anything;
nor does the version of Python that reads the code.
"""

from __future__ import annotations

import ast
import hashlib
from importlib.util import resolve_name
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
PACKAGE = "atomlens"


def fingerprint(notebook):
    """The hash of the code cells, of every module that they reach, and of every stored table that they name.

    Parameters
    ----------
    notebook : NotebookNode

    Returns
    -------
    dict
        ``code``: a hash; ``modules`` and ``tables``: a hash for every name.
    """
    cells = [ast.parse(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    everything = ast.Module(body=[line for cell in cells for line in cell.body], type_ignores=[])
    modules = {name: _hash(ast.parse(_file(name).read_text(encoding="utf-8"))) for name in reach(everything)}
    texts = {node.value for node in ast.walk(everything) if isinstance(node, ast.Constant)}
    tables = {path.stem: _digest(path.read_text("utf-8")) for path in sorted(_tables()) if path.stem in texts}
    return {"code": _hash(cells), "modules": modules, "tables": tables}


def reach(tree):
    """Names of the modules of atomlens that a program uses, directly or through others, sorted.

    ``import atomlens as al`` reaches what is named as ``al.room``; a room that is a package counts
    whole. The package's own ``__init__`` is left out: it opens rooms and does nothing else.
    """
    found, waiting = set(), _named(tree, PACKAGE)
    while waiting:
        name = waiting.pop()
        if name == PACKAGE or name in found:
            continue
        found.add(name)
        waiting.add(name.rpartition(".")[0])
        file = _file(name)
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        waiting |= _named(ast.parse(file.read_text(encoding="utf-8")), package)
    return sorted(found)


def _named(tree, package):
    """The modules of atomlens that one piece of code names, a package with all that is in it."""
    names, aliases = set(), {}
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            for item in node.names:
                names.add(item.name)
                top = item.name.partition(".")[0]
                aliases[item.asname or top] = item.name if item.asname else top
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            for item in node.names:
                names.add(f"{origin}.{item.name}")
                aliases[item.asname or item.name] = f"{origin}.{item.name}"
    chains = [node for node in nodes if isinstance(node, ast.Attribute)]
    inner = {id(node.value) for node in chains}  # of al.simulate.spectra, only the whole counts
    for node in chains:
        root, _, rest = ("" if id(node) in inner else _chain(node) or "").partition(".")
        if root in aliases:
            names.add(f"{aliases[root]}.{rest}")
    modules = {_deepest(name) for name in names} - {None}
    return {inside for module in modules for inside in _whole(module)}


def _chain(node):
    """``a.b.c`` as text, or None for anything that is not plain names and dots."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _chain(node.value)):
        return f"{before}.{node.attr}"
    return None


def _deepest(name):
    """The longest beginning of a dotted name that is a module of atomlens, or None."""
    while name.partition(".")[0] == PACKAGE:
        if _file(name):
            return name
        name = name.rpartition(".")[0]
    return None


def _whole(name):
    """A module as itself; a room that is a package with every module in it; atomlens as nothing."""
    file = _file(name)
    if name == PACKAGE or file.name != "__init__.py":
        return [] if name == PACKAGE else [name]
    inside = [path.relative_to(SOURCE).with_suffix("").parts for path in file.parent.rglob("*.py")]
    return [".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in inside]


def _file(name):
    """The file of a module, or None."""
    path = SOURCE.joinpath(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def _tables():
    """The files of the tables that benchmarks stored."""
    return SOURCE.parent.joinpath("data", "results").glob("*.csv")


def _hash(tree):
    return _digest(_plain(tree))


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(node):
    """A syntax tree as text, without docstrings and without what only some Pythons record."""
    if isinstance(node, list):
        return f"[{', '.join(map(_plain, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if _has_docstring(node):
        fields["body"] = fields["body"][1:]
    if isinstance(node, ast.JoinedStr):  # Python 3.12.1 records an empty end of a nested format
        fields["values"] = [value for value in node.values if getattr(value, "value", None) != ""]
    kept = {k: v for k, v in fields.items() if v not in (None, []) and k not in ("kind", "type_comment")}
    return f"{type(node).__name__}({', '.join(f'{k}={_plain(v)}' for k, v in kept.items())})"


def _has_docstring(node):
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None
