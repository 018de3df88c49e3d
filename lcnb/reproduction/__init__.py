"""The paper's tables, measured on your data: a plan that can be read first, and runs that resume."""

from lcnb.reproduction.plan import Plan, plan
from lcnb.reproduction.request import TABLES, ReproductionError, Request
from lcnb.reproduction.store import stored
from lcnb.reproduction.tables import reproduce

__all__ = ["TABLES", "Plan", "ReproductionError", "Request", "plan", "reproduce", "stored"]
