"""What would reach a goal on Heroku: pure functions from what is there to steps."""
