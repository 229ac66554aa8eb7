"""Tests of the monitor's screen."""
