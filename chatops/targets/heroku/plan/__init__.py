"""What would reach a goal on Heroku: pure functions from what is there to steps."""

from chatops.targets.heroku.plan.deploy import join
from chatops.targets.heroku.plan.goals import Wish, plan

__all__ = ["Wish", "join", "plan"]
