"""Claim: the package is small, its floors hold, and a lesson depends only on what it calls.

Lines of code hold more than a docstring or a comment, as the formatter lays them out. Modules are those
that a lesson reaches by name (`notebooks/freshness.py`), and the statements in them: a change of any
other statement leaves its stored outputs as they are. Private imports are those of an underscored module or
name of another room.
"""

import ast
import io
import json
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "atomlens"
sys.path.insert(0, str(ROOT / "notebooks"))

import build  # noqa: E402
from freshness import Reach  # noqa: E402

NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip


def code_lines(text):
    """How many lines of a program hold code."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            docstrings.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def room_of(parts):
    """The room of a module, given the parts of its path below the package."""
    return parts[0].partition(".")[0]


def private_imports():
    """Imports across rooms of underscored modules or names; modules beside the rooms are everyone's."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        here = path.relative_to(SOURCE)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("atomlens."):
                continue
            room, *inside = node.module.split(".")[1:]
            names = [*inside, *(item.name for item in node.names)]
            if room != room_of(here.parts) and any(name.startswith("_") for name in names):
                found.append(f"{here}: {node.module} {', '.join(item.name for item in node.names)}")
    return found


def main():
    print("| room | modules | lines of code |\n| --- | --- | --- |")
    rooms = {}
    for path in sorted([*SOURCE.rglob("*.py"), *SOURCE.rglob("*.pyi")]):
        modules, lines = rooms.get(room := room_of(path.relative_to(SOURCE).parts), (0, 0))
        rooms[room] = modules + 1, lines + code_lines(path.read_text(encoding="utf-8"))
    for room, (modules, lines) in sorted(rooms.items(), key=lambda item: -item[1][1]):
        print(f"| {room} | {modules} | {lines} |")
    print(f"| all | {sum(m for m, _ in rooms.values())} | {sum(n for _, n in rooms.values())} |")

    print("\n| notebook | modules | statements | MB of outputs | figures |\n| --- | --- | --- | --- | --- |")
    for source in [*build.lessons(), *build.solutions()]:
        stored, code = build.stored(source), build.read(source).cells
        cells = [ast.parse(cell.source) for cell in code if cell.cell_type == "code"]
        modules = Reach([line for cell in cells for line in cell.body]).modules
        outputs = [output for cell in stored.cells for output in cell.get("outputs", ())]
        figures = sum(any(kind.startswith("image/") for kind in output.get("data", ())) for output in outputs)
        size = len(json.dumps(outputs).encode()) / 1e6
        print(
            f"| {source.stem} | {len(modules)} | {sum(map(len, modules.values()))} | {size:.2f} | {figures} |"
        )

    found = private_imports()
    print(f"\n{len(found)} private imports across rooms")
    print("\n".join(found))


if __name__ == "__main__":
    main()
