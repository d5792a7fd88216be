"""Samples and expected answers of the exercises, out of the students' sight.

One module a lesson. Each computes a student's sample from the seed of their name, and the answers
from the sample, so that nothing is stored and every student has their own.
"""
