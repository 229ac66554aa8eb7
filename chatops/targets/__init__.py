"""The places where an app can live: one folder each."""
