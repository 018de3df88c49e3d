"""The paper's tables, measured by whoever has the data: a plan that can be read first, and runs that resume."""

from lcnb.reproduction.plan import Plan, plan
from lcnb.reproduction.request import TABLES, ReproductionError, Request
from lcnb.reproduction.run import reproduce
from lcnb.reproduction.stored import stored

__all__ = ["TABLES", "Plan", "ReproductionError", "Request", "plan", "reproduce", "stored"]
