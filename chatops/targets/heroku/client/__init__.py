"""The only door to Heroku: its API, its streams, its one-off dynos."""
