"""The builder of the notebooks, loaded from its file: it is a program and no module of the package."""

import importlib.util
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
    """`source`: every notebook; `executed`: lessons and solutions; `student`: the generated exercises."""
    kinds = {
        "source": lambda builder: builder.notebooks(),
        "executed": lambda builder: [*builder.lessons(), *builder.solutions()],
        "student": lambda builder: [builder.student_of(solution) for solution in builder.solutions()],
    }
    for kind in kinds.keys() & set(metafunc.fixturenames):
        found = kinds[kind](load_builder(metafunc.config.rootpath))
        folder = metafunc.config.rootpath / "notebooks"
        metafunc.parametrize(
            kind, found, ids=[path.relative_to(folder).with_suffix("").as_posix() for path in found]
        )
