"""Tests of the Heroku target, and the Heroku they run against."""
