"""Fingerprints of what a notebook's outputs depend on: its code, what it reaches in atomlens, files in data/.

The fingerprint follows *names*: from the cells to the functions, classes and constants that they name,
through the faces of packages, and on to what these name. A class counts whole, since nobody can tell from
outside which of its methods is called; so does a module of which something cannot be followed.
Comments, docstrings, annotations and layout do not count, so prose can be polished without running
anything; nor does the version of Python that reads the code.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from functools import cache, cached_property
from importlib.util import resolve_name
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
PACKAGE = "atomlens"
# A text such as "module:function", which tables of lazily loaded functions hold; "module:" is one that is imported.
_REFERENCE = re.compile(rf"({PACKAGE}(?:\.\w+)+):(\w*)")
_LOOKUP = "[]"  # stands in a chain of names for table[key] and for `key in table`
_GAP = "\0"  # stands in a text for what an f-string inserts


def fingerprint(notebook):
    """The hash of the code cells, of what they reach in every module, and of every shipped file they name.

    Parameters
    ----------
    notebook : NotebookNode

    Returns
    -------
    dict
        ``code``: a hash; ``modules`` and ``files``: a hash for every name.
    """
    cells = [ast.parse(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    reached = Reach([line for cell in cells for line in cell.body])
    modules = {name: _digest("".join(map(_hash, found))) for name, found in sorted(reached.modules.items())}
    return {"code": _digest(_plain(cells)), "modules": modules, "files": dict(_files(reached))}


class Reach:
    """What a program uses of atomlens, directly or through others.

    Parameters
    ----------
    statements : list of ast.stmt

    Attributes
    ----------
    modules : dict of list
        For every module the reached statements, in the order of the file.
    texts : set of str
        All texts in the program and in what it reaches.
    """

    def __init__(self, statements):
        self._places, self._tables = {}, {}
        self.texts, self._gappy, self._folders = set(), set(), set()
        # One fingerprint is of one moment: within it no file is looked for, or read, twice.
        self._file, self._load = cache(_file), cache(_Module.load)
        self._follow(statements, _Module("__main__", None, statements))
        while self._open_tables():
            pass

    @property
    def modules(self):
        reached = {name: [found[place] for place in sorted(found)] for name, found in self._places.items()}
        return {name: found for name, found in reached.items() if found}

    def names(self, key):
        """Whether a text names this key, or may name it."""
        return key in self.texts or any(_may_be(text, key) for text in self._gappy)

    def loads(self, name):
        """Whether a text names this data set, or a member of it."""
        return name in self._folders or self.names(name)

    def _read(self, texts):
        self.texts |= texts
        self._gappy |= {text for text in texts if _GAP in text}
        self._folders |= {text.partition("/")[0] for text in texts if "/" in text}

    def _follow(self, nodes, module):
        for node in nodes:
            names = _names(node)
            self._read(names.texts)
            for chain, origin in names.chains.items():
                if origin:
                    self._import(module, origin, chain[1:])
                elif chain[0] in module.bindings:
                    self._take(module, chain[0], chain[1:])
            for module_name, function in filter(None, map(_reference, names.texts)):
                self._walk(module_name, [function] if function else [])

    def _import(self, module, origin, rest):
        """Reach what an import stands for: (module, with leading dots if relative; a name in it, or None)."""
        source, name = resolve_name(origin[0], module.package), origin[1]
        if source.partition(".")[0] != PACKAGE:
            return
        if name and source == module.name and self._file(f"{source}.{name}"):
            self._walk(f"{source}.{name}", rest)  # a package that imports its own modules
        else:
            self._walk(source, [name, *rest] if name else rest)

    def _walk(self, name, rest):
        """Reach ``name.a.b``, of which the beginning is a module."""
        if not self._file(name):
            return
        module = self._load(name)
        if rest and rest[0] in module.bindings:
            self._take(module, rest[0], rest[1:])
        elif rest and self._file(f"{name}.{rest[0]}"):
            self._walk(f"{name}.{rest[0]}", rest[1:])
        elif name != PACKAGE:  # the module itself, or what it makes up when asked
            for inside in map(self._load, _inside(name)):
                self._begin(inside)
                for binding in inside.bindings:
                    self._take(inside, binding, ())

    def _take(self, module, name, rest):
        """Reach what a module binds to a name; an import leads on to what it names."""
        for bound in module.bindings[name]:
            if isinstance(bound, tuple):
                self._import(module, bound, rest)
            elif module.file is not None:
                self._begin(module)
                self._add(module, bound, rest)

    def _begin(self, module):
        """Reach what a module does when it is imported, whichever name is wanted."""
        if module.name not in self._places:
            self._places[module.name] = {}
            for statement in module.effects:
                self._add(module, statement, ())

    def _add(self, module, statement, rest):
        """Take a statement; of a table in which keys are looked up, only the entries that some text names."""
        found, place = self._places[module.name], (statement.lineno, statement.col_offset)
        if place in found:
            return
        if rest and rest[0] in (_LOOKUP, "get", "keys") and (entries := _entries(statement)):
            self._tables[module.name, place] = module, entries
            return
        found[place] = statement
        self._follow([statement], module)

    def _open_tables(self):
        """Take the entries of tables that are named by now, all where none is; False if there was no news."""
        before = sum(map(len, self._places.values()))
        # a measured set may be replaced by its phantom, which only the registry names
        self._read({row.get("phantom") for name, row in _registry().items() if self.loads(name)} - {None})
        for module, entries in list(self._tables.values()):
            for key in [key for key in entries if self.names(key)] or entries:
                self._add(module, entries[key], ())
        return before < sum(map(len, self._places.values()))


@cache
def _reference(text):
    found = _REFERENCE.fullmatch(text)
    return found and found.groups()


@cache
def _may_be(text, key):
    pieces = text.split(_GAP)
    return max(map(len, pieces)) > 2 and re.fullmatch(".*".join(map(re.escape, pieces)), key)


def _entries(statement):
    """The entries of ``NAME = {"key": f("module:function"), ...}``, or None for any other statement.

    Keys of other tables may come from data, so these count whole.
    """
    table = getattr(statement, "value", None)
    if not isinstance(table, ast.Dict) or not any(map(_reference, _names(table).texts)):
        return None
    keys = [getattr(key, "value", None) for key in table.keys]
    return dict(zip(keys, table.values, strict=True)) if all(isinstance(key, str) for key in keys) else None


def _files(reached):
    """Shipped files, and rows of the registry of data sets, that a text names, each with its hash."""
    data = SOURCE.parent / "data"
    for path in sorted(data.rglob("*")):
        if path.suffix in (".csv", ".json", ".pt", ".npz", ".tif", ".hspy") and (
            reached.names(path.stem) or path.name in reached.texts
        ):
            yield path.relative_to(data).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    everything = "list" in map(_name, reached.modules.get(f"{PACKAGE}.datasets._load", ()))
    for name, row in sorted(_registry().items()):
        if everything or reached.loads(name):
            yield f"registry.json: {name}", _digest(json.dumps(row))


def _registry():
    """The registered data sets that are not simulated here."""
    path = SOURCE / PACKAGE / "datasets" / "registry.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def _name(statement):
    return getattr(statement, "name", None)


# ---------------------------------------------------------------- modules


class _Module:
    """A module as text: what its names are bound to, and what it does besides."""

    _known: dict = {}  # noqa: RUF012 - one memory for all, so that no file is parsed twice

    def __init__(self, name, file, statements):
        self.name, self.file = name, file
        self.parts = [part for statement in statements for part in _typing_opened(statement)]

    @classmethod
    def load(cls, name):
        """The module of that name; a stub (.pyi) beside a face says what it opens when asked."""
        file = _file(name)
        texts = [path.read_text("utf-8") for path in (file, file.with_suffix(".pyi")) if path.is_file()]
        key = (str(file), *texts)
        if key not in cls._known:
            cls._known[key] = cls(name, file, [line for text in texts for line in ast.parse(text).body])
        return cls._known[key]

    @property
    def package(self):
        is_package = self.file is not None and self.file.name == "__init__.py"
        return self.name if is_package else self.name.rpartition(".")[0]

    @cached_property
    def bindings(self):
        """For every name the statements that bind it or, where it is imported, (module, name)."""
        found = {}
        for part in self.parts:
            for name in _bound(part):
                found.setdefault(name, []).append(part)
            for name, origin in _imports(part).items():
                found.setdefault(name, []).append(origin)
        return found

    @cached_property
    def effects(self):
        """Statements that bind no name: they do something when the module is imported."""
        return [part for part in self.parts if not (_bound(part) or _imports(part) or _is_silent(part))]


def _typing_opened(statement):
    """``if TYPE_CHECKING:`` as what stands under it: the editor's view of a lazy face."""
    typing = isinstance(statement, ast.If) and _chain(statement.test)[-1:] == ("TYPE_CHECKING",)
    return statement.body if typing else [statement]


def _imports(node):
    """The names that an import binds, each with (module, name in it or None)."""
    if isinstance(node, ast.Import):  # `import a.b` binds a; what is used of it stands in the chain a.b.c
        return {
            item.asname or item.name.partition(".")[0]: (
                item.name if item.asname else item.name.partition(".")[0],
                None,
            )
            for item in node.names
        }
    if isinstance(node, ast.ImportFrom):
        source = "." * node.level + (node.module or "")
        return {item.asname or item.name: (source, item.name) for item in node.names}
    return {}


def _bound(statement):
    """The names that a statement binds at module level, imports and ``__all__`` aside."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return []
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    nodes = [node for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return [node.id for node in nodes if isinstance(node.ctx, ast.Store) and node.id != "__all__"]


def _is_silent(statement):
    """Whether a statement that binds nothing also does nothing: a docstring, ``__all__``, pass."""
    if isinstance(statement, ast.Assign):
        return all(isinstance(target, ast.Name) for target in statement.targets)
    return isinstance(statement, ast.Pass) or _is_text(statement)


def _is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _inside(name):
    """A module and, if it is a package, every module in it."""
    file = _file(name)
    if file.name != "__init__.py":
        return [name]
    inside = [path.relative_to(SOURCE).with_suffix("").parts for path in file.parent.rglob("*.py")]
    return sorted(".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in inside)


def _file(name):
    """The file of a module, or None."""
    path = SOURCE.joinpath(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


# ---------------------------------------------------------------- names in a piece of code


class _Names(ast.NodeVisitor):
    """What a piece of code takes from outside.

    A name that a function binds itself (an argument, a variable) means nothing outside; one that it
    imports stands for what was imported.

    Attributes
    ----------
    chains : dict
        For ``a.b.c`` as a tuple, what ``a`` was imported as inside a function, or None.
    texts : set of str
        Docstrings aside; with `_GAP` where an f-string inserts something.
    """

    def __init__(self, node):
        self.chains, self.texts, self._scopes = {}, set(), []
        self.visit(node)

    def _use(self, chain):
        for scope in reversed(self._scopes):
            if chain[0] in scope:
                if scope[chain[0]]:
                    self.chains[chain] = scope[chain[0]]
                return
        self.chains.setdefault(chain, None)

    def _visit_inside(self, scope, nodes):
        self._scopes.append(scope)
        for node in nodes:
            self.visit(node)
        self._scopes.pop()

    def visit_FunctionDef(self, node):
        outside = [*getattr(node, "decorator_list", []), *node.args.defaults, *node.args.kw_defaults]
        for part in filter(None, outside):
            self.visit(part)
        body = node.body if isinstance(node.body, list) else [node.body]
        arguments = {part.arg: None for part in ast.walk(node.args) if isinstance(part, ast.arg)}
        self._visit_inside(arguments | _locals(body), body)

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef

    def visit_ListComp(self, node):
        targets = _locals([generator.target for generator in node.generators])
        self._visit_inside(targets, ast.iter_child_nodes(node))

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def visit_AnnAssign(self, node):
        self.visit(node.target)
        if node.value:
            self.visit(node.value)

    def visit_Import(self, node):
        for item in node.names if not self._scopes else ():
            if item.name.startswith(f"{PACKAGE}."):
                self._use(tuple(item.name.split(".")))

    def visit_Expr(self, node):
        if not _is_text(node):
            self.visit(node.value)

    def visit_Name(self, node):
        self._use((node.id,))

    def visit_Attribute(self, node):
        chain = _chain(node)
        if chain:
            self._use(chain)
        else:
            self.visit(node.value)

    def visit_Subscript(self, node):
        chain = _chain(node.value)
        if chain:
            self._use((*chain, _LOOKUP))
        else:
            self.visit(node.value)
        self.visit(node.slice)

    def visit_Compare(self, node):
        self.visit(node.left)
        for operator, other in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.In, ast.NotIn)) and _chain(other):
                self._use((*_chain(other), _LOOKUP))
            else:
                self.visit(other)

    def visit_Call(self, node):
        if _chain(node.func)[-1:] == ("import_module",) and isinstance(node.args[0], ast.Constant):
            self.texts.add(f"{node.args[0].value}:")
        self.generic_visit(node)

    def visit_Constant(self, node):
        if isinstance(node.value, str):
            self.texts.add(node.value)

    def visit_JoinedStr(self, node):
        pieces = [part.value if isinstance(part, ast.Constant) else _GAP for part in node.values]
        self.texts.add("".join(pieces))
        for part in node.values:
            if not isinstance(part, ast.Constant):
                self.visit(part)


@cache
def _names(node):
    return _Names(node)


def _locals(nodes):
    """The names that a function binds itself: None for a variable, for an import what it stands for."""
    names, waiting = {}, list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.setdefault(node.name, None)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(_imports(node))
        elif not isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.setdefault(node.id, None)
            waiting += ast.iter_child_nodes(node)
    return names


def _chain(node):
    """``a.b.c`` as a tuple, empty for anything that is not plain names and dots."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute) and (before := _chain(node.value)):
        return (*before, node.attr)
    return ()


# ---------------------------------------------------------------- hashes


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def _hash(statement):
    return _digest(_plain(statement))


def _plain(node):
    """A syntax tree as text, without docstrings, annotations and what only some Pythons record."""
    if isinstance(node, list):
        return f"[{', '.join(map(_plain, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.AnnAssign) and node.value:
        return _plain(ast.Assign([node.target], node.value))
    fields = dict(ast.iter_fields(node))
    if _has_docstring(node):
        fields["body"] = fields["body"][1:]
    if isinstance(node, ast.ClassDef):  # there an annotation makes a field of a dataclass
        fields["annotated"] = [part.target for part in node.body if isinstance(part, ast.AnnAssign)]
    if isinstance(node, ast.JoinedStr):  # Python 3.12.1 records an empty end of a nested format
        fields["values"] = [value for value in node.values if getattr(value, "value", None) != ""]
    silent = ("kind", "type_comment", "annotation", "returns")
    kept = {k: v for k, v in fields.items() if v not in (None, []) and k not in silent}
    return f"{type(node).__name__}({', '.join(f'{k}={_plain(v)}' for k, v in kept.items())})"


def _has_docstring(node):
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None
