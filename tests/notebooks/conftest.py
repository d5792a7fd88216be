"""The builder of the notebooks, loaded from its file: it is a program and no module of the package."""

import importlib.util
import json
import sys

import pytest


@pytest.fixture(scope="session")
def builder(root):
    return load_builder(root)


def load_builder(root):
    spec = importlib.util.spec_from_file_location("notebook_builder", root / "notebooks" / "build.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def pytest_generate_tests(metafunc):
    """`source`: every notebook; `student`: the generated exercises.

    Lessons and solutions are `measured` if they load measured data, else `simulated`.
    """
    kinds = {
        "source": lambda builder: builder.notebooks(),
        "measured": lambda builder: list(filter(_measures, [*builder.lessons(), *builder.solutions()])),
        "simulated": lambda builder: [
            path for path in [*builder.lessons(), *builder.solutions()] if not _measures(path)
        ],
        "student": lambda builder: [builder.student_of(solution) for solution in builder.solutions()],
    }
    for kind in kinds.keys() & set(metafunc.fixturenames):
        found = kinds[kind](load_builder(metafunc.config.rootpath))
        folder = metafunc.config.rootpath / "notebooks"
        metafunc.parametrize(
            kind, found, ids=[path.relative_to(folder).with_suffix("").as_posix() for path in found]
        )


def _measures(path):
    """Whether a lesson loads measured data, by what its stored notebook says; another test sees to that."""
    stored = json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))
    return any(name.startswith("registry.json") for name in stored["metadata"]["atomlens"]["files"])
