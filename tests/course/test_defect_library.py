"""Right answers pass, wrong ones get a hint, open ones stay open; students differ."""

import numpy as np
import pytest

from atomlens import columns
from atomlens.course.defect_library import Exercise


@pytest.fixture(scope="module")
def exercise():
    return Exercise("Ada Lovelace")


def test_students_have_their_own_samples_and_everyone_the_same_one_again(exercise):
    again, other = Exercise(" ada lovelace"), Exercise("Marie Curie")
    np.testing.assert_array_equal(exercise.sample.data, again.sample.data)
    assert not np.array_equal(exercise.sample.data, other.sample.data)


def test_right_answers_pass(exercise):
    assert exercise.check_number(len(columns.find(exercise.sample.data)))


@pytest.mark.parametrize("wrong", [0, "many", None])
def test_wrong_answers_do_not(exercise, wrong):
    assert not exercise.check_number(wrong)
