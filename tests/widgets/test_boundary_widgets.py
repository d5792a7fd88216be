"""The one-class explorer: model without a browser, and the view that shows it."""

import numpy as np
import pytest
from sklearn.svm import OneClassSVM

from atomlens.widgets import BoundaryModel, one_class_explorer

RNG = np.random.default_rng(0)
CROWD, ODD = RNG.normal(0, 1, (190, 2)), RNG.uniform(5, 9, (10, 2)) * RNG.choice([-1, 1], (10, 2))
POINTS, IS_ODD = np.vstack([CROWD, ODD]), np.arange(200) >= 190


def test_nu_bounds_what_lies_outside_and_what_the_boundary_rests_on():
    """Schölkopf and others (2001), proposition 3."""
    model = BoundaryModel(POINTS)
    for nu in (0.05, 0.2, 0.5):
        for gamma in (0.05, 1.0, 10.0):
            model.nu, model.gamma = nu, gamma
            assert model.share <= nu <= model.support


def test_what_it_says_is_what_scikit_learn_says():
    model = BoundaryModel(POINTS, nu=0.1, gamma=0.3)
    fitted = OneClassSVM(nu=0.1, gamma=0.3, tol=1e-8).fit(POINTS)
    expected = fitted.score_samples(POINTS) < fitted.offset_ - 1e-6
    assert (model.outside == expected).all()
    scope = {"points": POINTS}
    exec(model.code, scope)  # the code that is shown repeats the view
    assert (scope["outside"] == expected).all()


@pytest.mark.parametrize(
    ("points", "odd", "message"),
    [
        (np.ones((3, 2)), None, "5 rows"),
        (np.ones((9, 3)), None, "two numbers"),
        (POINTS, [True], "1 entries for 200 points"),
    ],
)
def test_what_is_no_plane_is_refused(points, odd, message):
    with pytest.raises(ValueError, match=message):
        BoundaryModel(points, odd)


def test_the_view_follows_its_sliders():
    view = one_class_explorer(POINTS, IS_ODD, nu=0.1, gamma=0.1)
    before, marks = view.verdict.value, len(view._ax.collections[-1].get_offsets())
    caught = (view.model.outside & IS_ODD).sum()
    assert caught >= 8
    assert f"Of 10 planted odd ones, <b>{caught}</b> are outside" in before
    view.nu.value = 0.5
    assert view.model.nu == 0.5
    assert view.verdict.value != before
    assert len(view._ax.collections[-1].get_offsets()) == view.model.outside.sum() > marks
    view.gamma.value = 100.0
    assert view.model.support > 0.5, "a boundary that follows every point rests on most of them"
