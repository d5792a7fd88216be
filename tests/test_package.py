"""The package as others get it: light to import, complete when it is installed away from its checkout."""

import ast
import importlib.metadata
import inspect
import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv

import pandas as pd
import pytest
import yaml

import atomlens
from atomlens import _project

HEAVY = ("torch", "torchvision", "atomai", "xarray", "pandas", "scipy", "sklearn", "skimage", "matplotlib",
         "dask", "distributed", "rsciio", "pooch", "h5py", "zarr", "IPython", "ipywidgets")  # fmt: skip


def run(program, *arguments, cwd=None):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def loaded_by(code):
    """The heavy modules that a fresh interpreter holds after some code."""
    code = f"{code}\nimport sys, json; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    return json.loads(run(sys.executable, "-c", code))


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import atomlens") == []


NO_ROOMS = {"Sample", "Survey", "doubts", "look", "survey"}


@pytest.mark.parametrize("room", sorted(set(atomlens.__all__) - NO_ROOMS))
def test_no_room_imports_torch(room):
    assert not {"torch", "torchvision", "atomai"} & set(loaded_by(f"import atomlens; atomlens.{room}"))


@pytest.mark.parametrize("room", ["plotting", "widgets.cluster_explorer"])
def test_no_room_changes_how_pyplot_draws(room):
    """Importing ipympl does: whoever called plt.plot after that would get a widget instead of a picture."""
    code = "import matplotlib; matplotlib.use('svg'); import matplotlib.pyplot, atomlens; "
    code += f"atomlens.{room}; print(matplotlib.get_backend())"
    assert run(sys.executable, "-c", code).strip() == "svg"


def test_a_room_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="kitchen"):
        _ = atomlens.kitchen


def test_the_rooms_and_the_widgets_are_listed_once_and_all_there(root):
    assert (
        {"Sample", "columns", "lattice", "spectra", "widgets"} <= set(dir(atomlens)) == set(atomlens.__all__)
    )
    source = root / "src" / "atomlens"
    rooms = {path.name.removesuffix(".py") for path in source.glob("[a-z]*")} - {"py.typed"}
    assert rooms == set(atomlens.__all__) - NO_ROOMS
    for name in dir(atomlens.widgets):
        assert getattr(atomlens.widgets, name).__name__ == name


def test_importing_the_package_is_instant():
    code = "import time; start = time.perf_counter(); import atomlens; print(time.perf_counter() - start)"
    assert min(float(run(sys.executable, "-c", code)) for _ in range(3)) < 0.5


def private_imports(text, room):
    """What a module of a room imports from the private parts of others: "room._part" or "room.part._name"."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            places = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            places = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for place in places:
            package, _, rest = place.partition(".")
            parts = rest.split(".")
            if package != "atomlens" or parts[0] == room:
                continue
            # Modules atomlens._this are the ground floor, open to all rooms; what is private in them is not.
            hidden = [n for n, part in enumerate(parts) if n and part.startswith("_")]
            if hidden:
                found.add(".".join(parts[: hidden[0] + 1]))
    return found


def test_no_room_uses_the_private_parts_of_another(root):
    source = root / "src" / "atomlens"
    found = set()
    for path in source.rglob("*.py"):
        room = path.relative_to(source).parts[0].removesuffix(".py")
        found |= {(room, place) for place in private_imports(path.read_text(encoding="utf-8"), room)}
    assert found == set()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from atomlens.lattice._bragg import basis_of_image", {"lattice._bragg"}),
        ("from atomlens.lattice import _bragg", {"lattice._bragg"}),
        ("from atomlens.windows import _surface, flatten", {"windows._surface"}),
        ("from atomlens._image import _RING", {"_image._RING"}),
        ("import atomlens.lattice._bragg", {"lattice._bragg"}),
        ("from atomlens import _image", set()),
        ("from atomlens._image import prepare", set()),
        ("from atomlens.lattice.basis import reduced", set()),
        ("from atomlens.columns._locate import locate", set()),
    ],
)
def test_private_imports_are_seen(code, found):
    assert private_imports(f"def f():\n    {code}", "columns") == found


# From the ground up: a room may use those before it. (Modules atomlens._this are below all of them.)
FLOORS = [
    "io",
    "metrics",
    "simulate",
    "datasets",
    "electrons",
    "lattice",
    "windows",
    "patterson",
    "columns",
    "spectra",
    "crystallography",
    "descriptors",
    "defects",
    "shiftvae",
    "library",
    "dynamics",
    "particles",
    "notebook",
    "plotting",
    "course",
    "report",
    "widgets",
    "batch",
    "cli",
]


def test_an_import_only_goes_down(root):
    assert set(FLOORS) == set(atomlens.__all__) - NO_ROOMS
    source, climbing = root / "src" / "atomlens", []
    for path in source.rglob("*.py"):
        room = path.relative_to(source).parts[0].removesuffix(".py")
        below = FLOORS[: FLOORS.index(room)] if room in FLOORS else []
        if room in (
            "__init__",
            "_types",
            "_look",
            "_calibrate",
            "_survey",
        ):  # the face opens all, and types are names only
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "atomlens":
                parts = node.module.split(".")[1:2] or [alias.name for alias in node.names]
                used = {part for part in parts if part in FLOORS and part != room}
                climbing += [f"{path.name}: {part}" for part in used if part not in below]
    assert climbing == []


def public_functions():
    """Every function and class that a face offers, and the public methods of the classes."""
    for room in map(atomlens.__getattr__, sorted(set(atomlens.__all__) - NO_ROOMS)):
        modules = [room, *(m for m in vars(room).values() if inspect.ismodule(m) and m.__name__ in OPEN)]
        for module in modules:
            for name in getattr(module, "__all__", ()):
                thing = getattr(module, name)
                if inspect.isfunction(thing):
                    yield f"{module.__name__}.{name}", thing
                elif inspect.isclass(thing):
                    for method, function in inspect.getmembers(thing, inspect.isfunction):
                        home = inspect.unwrap(function).__module__
                        if home.startswith("atomlens.") and (method == "__init__" or method[0] != "_"):
                            yield f"{module.__name__}.{name}.{method}", function


# Modules that a face opens as such: al.simulate.spectra.eels
OPEN = {
    f"atomlens.simulate.{name}"
    for name in (
        "defects",
        "movies",
        "multislice",
        "particles",
        "shifted",
        "spectra",
        "stm",
        "strain",
        "structures",
    )
} | {"atomlens.columns.losses"}


def test_public_functions_say_their_types():
    silent = []
    for name, function in public_functions():
        signature = inspect.signature(function)
        kinds = [p.annotation for p in signature.parameters.values() if p.name not in ("self", "cls")]
        if inspect.Parameter.empty in (*kinds, signature.return_annotation):
            silent.append(name)
    assert silent == []


def test_one_version_everywhere(root):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert project["dynamic"] == ["version"]  # hatchling reads it where we do
    assert importlib.metadata.version("atomlens") == atomlens.__version__ == citation["version"]
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"(?m)^## ([\d.]+)", changes)[1] == atomlens.__version__
    assert project["license"] == citation["license"] == "MIT"


def test_badges_and_citation_follow_the_one_address(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert _project.badges("notebooks/00_start_here.ipynb") in readme
    assert ("mybinder.org" in readme) == bool(_project.REPOSITORY)
    assert citation.get("repository-code") == _project.REPOSITORY


def test_links_of_the_readme_lead_somewhere(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", readme) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (root / link).exists()] == []


def test_the_readme_s_code_runs(root, tmp_path, monkeypatch):
    blocks = re.findall(
        r"```python\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    code = "\n".join(blocks)
    for written, sample in (("my_file.dm4", "spectrum_image.hspy"), ("my_image.dm4", "image.tif")):
        assert written in code
        code = code.replace(f'"{written}"', repr(str(atomlens.datasets.sample_path(sample))))
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert list((tmp_path / "results").iterdir())
    assert len(pd.read_csv(tmp_path / "columns.csv")) > 30


@pytest.fixture(scope="module")
def installed(root, tmp_path_factory):
    """The Python of a clean environment that holds the wheel and borrows only its requirements."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(root))
    [wheel] = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    bin_folder = "Scripts" if sys.platform == "win32" else "bin"
    python = str(folder / "env" / bin_folder / "python")
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(wheel),
    )
    # A folder that a .pth adds comes last, and its own .pth files (the checkout's) are not read.
    variables = {"base": str(folder / "env"), "platbase": str(folder / "env")}
    site = sysconfig.get_path("purelib", vars=variables)
    with open(f"{site}/borrowed.pth", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(sysconfig.get_path("purelib") + "\n")
    return python


def test_an_installed_copy_is_used_from_outside_the_checkout(installed, root, tmp_path):
    place = run(installed, "-c", "import atomlens; print(atomlens.__file__)", cwd=tmp_path)
    assert str(root) not in place
    assert "site-packages" in place


def test_an_installed_copy_finds_every_file_of_data(installed, root, tmp_path):
    files = [path.relative_to(root / "data").parts for path in (root / "data").rglob("*") if path.is_file()]
    assert files
    code = "import sys, json; from atomlens._resources import resource\n"
    code += "for parts in json.loads(sys.argv[1]): print(resource(*parts))"
    places = run(installed, "-c", code, json.dumps(files), cwd=tmp_path).splitlines()
    assert len(places) == len(files)
    assert not any(place.startswith(str(root)) for place in places)


def test_an_installed_copy_loads_a_sample_and_a_phantom(installed, tmp_path):
    code = (
        "import atomlens as al; print(al.datasets.list().shape[0]); print(al.datasets.load('eels_phantom'))"
    )
    lines = run(installed, "-c", code, cwd=tmp_path).splitlines()
    assert int(lines[0]) > 10
    assert lines[1].startswith("<Sample 'eels_phantom'")
