"""The paper's tables, measured by whoever has the data: a plan that can be read first, and runs that resume."""

from lcnb.reproduction.plan import Plan, plan
from lcnb.reproduction.request import TABLES, ReproductionError, Request
from lcnb.reproduction.run import reproduce

__all__ = ["TABLES", "Plan", "ReproductionError", "Request", "plan", "reproduce"]
