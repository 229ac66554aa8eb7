"""The Heroku target: the whole life of an app through the Platform API; no Heroku CLI, no git push."""
