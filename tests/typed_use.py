"""What those who call atomlens may rely on: `make types` checks this program strictly, and nothing runs it.

It calls every room as the README and the lessons do. A public function without annotations, or one whose
annotations do not fit such calls, is an error here.
"""

from pathlib import Path

from numpy.random import default_rng
from pandas import DataFrame
from xarray import DataArray

import atomlens as al


def spectra(path: Path) -> DataFrame:
    """Cluster a spectrum image, ask how many clusters there are, and unmix it."""
    si: DataArray = al.io.read(path, kind="spectrum_image")
    choice = al.spectra.choose_k(si, range(1, 8), mask=si.sum("energy") > 0)
    result = al.spectra.cluster(si, choice.recommended)
    result.export("results")
    al.spectra.unmix(si, 2)
    return choice.table


def image(path: str) -> DataFrame:
    """Find and refine columns, tell the sublattices apart, and ask which phase each atom is in."""
    picture: DataArray = al.io.read(path)
    columns: DataFrame = al.columns.find(picture, threshold=0.5, refine=True)
    _said: list[str] = [*al.look(picture).doubts, *al.doubts(columns)]
    al.io.square_pixels(picture)
    refined: DataFrame = al.columns.refine(picture, columns)
    al.columns.precision_limit(refined)
    told: DataFrame = al.lattice.assign_sublattices(refined)
    crystal = al.crystallography.LocalCrystallography(n_neighbors=6, n_clusters=2, point_group="6mm")
    verdict = crystal.fit(told).verdict_
    return told.assign(verdict=str(verdict))


def defects(picture: DataArray) -> None:
    """Find what is not the crystal, and where domains are."""
    found = al.defects.detect(picture, false_alarm_rate=1e-3)
    found.save("defects.csv")
    bolder: DataFrame = found.at(1e-2).defects
    domains: DataArray = al.defects.segment_domains(picture)
    al.notebook.show(al.plotting.domain_map(picture, domains), alt=f"{len(bolder)} hits")


def movie(frames: DataArray, names: list[str]) -> DataFrame:
    """From a movie to the chances of change."""
    network = al.dynamics.train_on_frame(frames[0])
    table: DataFrame = network.detect(frames)
    pictures: DataArray = al.dynamics.sub_images(frames, table)
    classes = al.dynamics.SubImageClasses(len(names), turns=3).fit(pictures).name(names)
    return al.dynamics.transitions(al.dynamics.link(classes.label(table, pictures))).table()


def latent(picture: DataArray) -> DataFrame:
    """Map what varies in the windows of a crystal."""
    cell = al.lattice.estimate(picture)
    windows = al.windows.sliding_windows(picture, round(2.2 * cell.lengths.max()), step=6)
    model = al.shiftvae.ShiftVAE(1, lattice=cell, random_state=0).fit(windows)
    model.latent_map(picture, stride=3)
    return model.summary(windows)


def shelf(picture: DataArray) -> DataFrame:
    """Take defects out of an image, keep them, and ask what is new."""
    found = al.library.extract(picture, name="today")
    library = al.library.Library(found[:-1])
    library.save("shelf", overwrite=True)
    groups = al.library.open_library("shelf").group("bonds")
    al.notebook.show(al.plotting.group_means(library, groups), alt=library.seen(found[-1]).formula)
    relaxed = al.electrons.relax(found[0].structure(5), progress=False)
    states = al.electrons.xtb(relaxed.atoms)
    density: DataArray = al.electrons.ldos_map(relaxed.atoms, states.local((-0.5, 0.5)))
    assert density.size
    return library.table


def motion(detections: DataFrame) -> float:
    """Follow defects, and say how fast they are and what they become."""
    tracks = al.dynamics.remove_drift(al.dynamics.link(detections))
    chain = al.dynamics.transitions(tracks, state="label", dt=2.25)
    al.notebook.show(al.plotting.matrices({"counted": chain}), alt="A transition matrix")
    assert al.dynamics.first_order(tracks, state="label").p_value >= 0
    return al.dynamics.diffusion(tracks, dt=2.25).coefficient


def edge() -> DataFrame:
    """Find bright atoms in a movie, and merge the classes of their pictures."""
    movie = al.simulate.movies.edge(3, n_frames=20, hop=0.2)
    atoms: DataFrame = al.dynamics.bright_atoms(movie.data)
    pictures = al.windows.column_windows(movie.data[0], atoms[atoms["frame"] == 0], 45)
    found = al.dynamics.equivalent_classes(pictures, [0, 1, 2], turns=6)
    assert found.merged([0, 1, 2]).shape == (3,), found.doubts
    return found.operations


def assembly(frames: DataArray, labels: DataFrame) -> float:
    """Learn particles from one frame, follow them, and say how fast they turn."""
    model = al.particles.train(al.particles.level(frames[0]), labels, symmetry=2)
    found: DataFrame = model.find_all(frames)
    assert al.particles.agreement(found, labels, symmetry=2, tolerance=5.0).f1 > 0
    assert al.particles.domains(found, symmetry=2, reach=24.0).size
    tracks = al.particles.link(found, symmetry=2)
    assert al.particles.step_tails(tracks["turn"]).best
    return al.particles.rotational_diffusion(tracks, dt=1.0).coefficient


def measure(path: Path) -> dict[str, DataFrame]:
    """Work on one file of many."""
    return {"columns": al.columns.find(al.io.read(path))}


def ten_minutes(path: Path) -> str:
    """Look at a new sample, and write its report."""
    seen = al.survey(al.io.read(path))
    settings = al.report.Settings(lattice=0.3905, analyses=("columns", "defects"))
    found = al.report.examine(path, settings)
    table, doubts = al.report.compare([path], settings)
    page: Path = al.report.write(found, "report", force=bool(doubts))
    edited: DataFrame = al.columns.edit(found.tables["columns"], seen.data, remove=[(1.0, 2.0)])
    symmetry = al.crystallography.cell_symmetry(seen.data)
    assert symmetry.point_group, len(table) + len(edited)
    return page.read_text() + found.script + "".join(found.doubts)


def many(files: list[Path], film: DataArray) -> DataFrame:
    """Work on many files, on frames, and on what comes in."""
    done = al.batch.run(measure, files, "results", scheduler="tcp://node:8786")
    failed: DataFrame = done.failures
    al.batch.movie(al.columns.find_peaks, film, "frames", workers=4)
    al.batch.watch(measure, "incoming", "results", pattern="*.dm4", stop=len(failed))
    together = al.batch.open("results").read("columns")
    return together if isinstance(together, DataFrame) else done.table


def phantoms() -> float:
    """Plant a truth, and score against it."""
    sheet = al.simulate.structures.transition_metal_dichalcogenide("MoS2", (4.0, 4.0), rotation=12)
    sheet = al.simulate.defects.vacancies(sheet, fraction=0.05, sublattice="S2", random_state=default_rng(1))
    sample = al.simulate.image(sheet, electrons=200, instrument=al.simulate.Instrument(probe=0.09))
    found = al.columns.find_peaks(sample.data, sigma=3.0)
    listed: DataFrame = al.datasets.list()
    assert len(listed), al.datasets.credit(al.datasets.load("mos2_phantom"))
    return al.metrics.match(found, sample.truth, tolerance=3).f1
