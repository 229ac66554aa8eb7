"""Tests of the sample chat against real processes and real databases."""
