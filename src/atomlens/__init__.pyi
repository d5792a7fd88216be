from . import (
    batch as batch,
    cli as cli,
    columns as columns,
    course as course,
    crystallography as crystallography,
    datasets as datasets,
    defects as defects,
    descriptors as descriptors,
    dynamics as dynamics,
    electrons as electrons,
    io as io,
    lattice as lattice,
    library as library,
    metrics as metrics,
    notebook as notebook,
    particles as particles,
    patterson as patterson,
    plotting as plotting,
    report as report,
    shiftvae as shiftvae,
    simulate as simulate,
    spectra as spectra,
    widgets as widgets,
    windows as windows,
)
from ._doubts import doubts as doubts
from ._look import look as look
from ._sample import Sample as Sample
from ._survey import Survey as Survey, survey as survey

__version__: str
