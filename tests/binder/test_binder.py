"""Binder, as far as it can be checked without conda and without Docker: consistency.

What cannot be seen here is whether conda-forge still offers these versions.
"""

import os
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

# The names that differ between conda-forge and PyPI.
PYPI_NAME = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}


@pytest.fixture(scope="module")
def environment(root):
    return yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins(environment):
    """Every pin of environment.yml by its PyPI name, as (version, extras)."""
    found = {}
    for line in environment["dependencies"]:
        if isinstance(line, str) and line != "pip":
            name, _, version = line.partition("=")
            assert version, f"{line} is not pinned"
            assert not version.startswith("="), f"{line}: conda pins with one ="
            found[PYPI_NAME.get(name, name)] = (version, set())
        elif isinstance(line, dict):
            for requirement in map(Requirement, line["pip"]):
                [specifier] = requirement.specifier
                assert specifier.operator == "==", f"{requirement} is not pinned"
                found[canonicalize_name(requirement.name)] = (specifier.version, requirement.extras)
    return found


@pytest.fixture(scope="module")
def constraints(root):
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pinned}


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_python_is_3_11_written_as_repo2docker_reads_it(environment, project):
    assert "python=3.11" in environment["dependencies"]
    assert "3.11" in SpecifierSet(project["requires-python"])


def test_every_pin_agrees_with_the_tested_versions(pins, constraints):
    differ = {
        name: (version, constraints.get(name))
        for name, (version, _) in pins.items()
        if name != "python" and constraints.get(name) != version
    }
    assert differ == {}


def wanted(project):
    """What lessons need: the package, and the extras that they reach."""
    extras = project["optional-dependencies"]
    return map(Requirement, [*project["dependencies"], *extras["lab"], *extras["deep"], *extras["electrons"]])


def test_every_requirement_is_there_and_satisfied(pins, project):
    for requirement in wanted(project):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"environment.yml lacks {requirement}"
        version, extras = pins[name]
        assert version in requirement.specifier, (
            f"environment.yml has {name} {version}, {requirement} is needed"
        )
        assert requirement.extras <= extras, f"environment.yml lacks extras of {requirement}"


def test_nothing_is_there_that_the_project_does_not_ask_for(pins, project):
    asked = {canonicalize_name(requirement.name) for requirement in wanted(project)}
    assert set(pins) - asked == {"python", "h5py"}  # h5py only so that HDF5 comes from conda-forge


def test_constraints_pin_every_requirement_once_and_within_its_bounds(constraints, project, root):
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert len(constraints) == sum(not line.startswith("#") for line in lines)
    extras = project["optional-dependencies"].values()
    for requirement in map(
        Requirement, [*project["dependencies"], *(text for group in extras for text in group)]
    ):
        assert constraints[canonicalize_name(requirement.name)] in requirement.specifier
    assert not any("+" in version for version in constraints.values()), "a local build is pinned"


def test_the_installed_versions_are_the_pinned_ones(constraints):
    from importlib.metadata import version

    for name in ("numpy", "scipy", "scikit-learn", "xarray", "torch", "jupyterlab", "rosettasciio"):
        assert version(name).partition("+")[0] == constraints[name]


def test_binder_takes_the_environment_of_the_project(root):
    link = root / "binder" / "environment.yml"
    assert link.is_symlink()
    assert os.readlink(link) == "../environment.yml"  # noqa: PTH115 - the link itself, not what it finds
    assert link.resolve() == root / "environment.yml"


def test_post_build_can_run_and_stops_at_the_first_error(root):
    script = root / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    first, *lines = script.read_text(encoding="utf-8").splitlines()
    assert first == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert any("pip install --no-deps" in line and line.endswith(" .") for line in lines)
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_repo2docker_builds_a_conda_environment(root):
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(root)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "Building conda environment for python=3.11" in output
    assert "binder/environment.yml" in output
    assert "RUN ./binder/postBuild" in output


@pytest.mark.filterwarnings(
    "ignore:pythonjsonlogger.jsonlogger:DeprecationWarning"
)  # repo2docker's own import
def test_the_conda_build_pack_recognises_the_project(root, monkeypatch):
    from repo2docker.buildpacks import CondaBuildPack

    monkeypatch.chdir(root)
    pack = CondaBuildPack(base_image="none")
    assert pack.detect()
    assert pack.python_version == "3.11"
    assert pack.get_post_build_scripts() == ["binder/postBuild"]
