"""Figures of defects: what is drawn is what was given, in its units."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from atomlens import defects, plotting, simulate


@pytest.fixture(scope="module")
def sample():
    sheet = simulate.defects.vacancies(
        simulate.structures.perovskite((5, 5)), kind="column", at=[(1.5, 2.5), (3.5, 2.5)]
    )
    return simulate.image(sheet, electrons=400, random_state=0)


@pytest.fixture(scope="module")
def found(sample):
    return defects.detect(sample.data)


def test_hits_are_drawn_where_they_are_in_the_units_of_the_image(sample, found):
    _, ax = plotting.new_figure()
    plotting.draw_image(ax, sample.data)
    rings = plotting.draw_hits(ax, sample.data, found.defects)
    np.testing.assert_allclose(rings.get_xdata(), found.defects.x_nm)
    _figure, ax = plotting.new_figure()
    plotting.draw_image(ax, sample.data.values)
    rings = plotting.draw_hits(ax, sample.data.values, found.defects)
    np.testing.assert_allclose(rings.get_ydata(), found.defects.y)


def test_the_threshold_is_in_the_middle_of_the_scale(sample, found):
    low, high = plotting.defects_found(sample.data, found).axes[2].images[0].get_clim()
    assert (low + high) / 2 == pytest.approx(found.threshold)


def test_the_overview_shows_truth_and_hits(sample, found):
    left = plotting.defects_found(sample.data, found, truth=sample.extras["defects"]).axes[0]
    planted, rings = left.lines
    assert len(planted.get_xdata()) == 2
    assert len(rings.get_xdata()) == len(found.defects)
    assert [t.get_text() for t in left.get_legend().get_texts()] == ["planted", "found"]


def test_the_gallery_has_one_panel_a_result(sample, found):
    results = dict.fromkeys(("a", "b", "c", "d"), (sample.data, found))
    axes = plotting.hit_gallery(results).axes
    assert [ax.get_title(loc="left") for ax in axes] == [f"{n}: {len(found.defects)}" for n in "abcd"]


def test_spread_has_one_line_a_taper():
    table = pd.DataFrame({"None": [0.3, 0.1], "hann": [0.2, 0.01]}, index=[1.0, 2.0])
    (ax,) = plotting.window_spread(table).axes
    np.testing.assert_allclose(ax.lines[1].get_ydata(), table["hann"])
    assert ax.get_yscale() == "log"


def test_the_knee_parts_kept_from_suspects():
    (ax,) = plotting.knee([0.5, 0.1, 0.9], np.array([False, False, True])).axes
    kept, suspects = ax.lines
    np.testing.assert_allclose(kept.get_ydata(), [0.1, 0.5])
    np.testing.assert_allclose(suspects.get_xydata(), [[3, 0.9]])


def test_curves_of_a_perfect_and_a_useless_score():
    truth = np.arange(200) < 20
    curves = {"perfect": (truth.astype(float), truth), "useless": (np.arange(200) % 7.0, truth)}
    left, right = plotting.detection_curves(curves, marks={"perfect": 0.5}).axes
    assert next(t.get_text() for t in right.get_legend().get_texts()) == "perfect (1.00)"
    recall, precision = right.lines[1].get_xydata()[0]  # the mark, after the curve
    assert (recall, precision) == (1.0, 1.0)
    assert left.get_xscale() == "log"


def test_measured_rates_carry_an_interval_that_holds_them():
    table = pd.DataFrame({"alarms": [0, 20], "cells": [1000, 1000]}, index=[1e-4, 0.02])
    (ax,) = plotting.alarm_rates(table).axes
    container = ax.containers[0]
    assert container[0].get_ydata()[1] == pytest.approx(0.02)
    low, high = container[2][0].get_segments()[1][:, 1]
    assert low < 0.02 < high


def test_domains_are_drawn_with_their_boundary():
    halves = xr.DataArray(np.repeat([[0, 0, 0, 1, 1, 1]], 6, axis=0), dims=("y", "x"))
    image = np.random.default_rng(0).random((6, 6))
    figure = plotting.domain_map(image, halves)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["Image", "2 domains found"]
    (outline,) = figure.axes[0].collections
    np.testing.assert_allclose(outline.get_paths()[0].vertices[:, 0], 2.5)
