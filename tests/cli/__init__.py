"""Tests of the verbs, as typed in a shell."""
