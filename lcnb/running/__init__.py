"""Notebooks run headless: typed parameters, a time limit that holds, memory, and pages to look at.

Nothing here knows about networks; papermill, nbconvert and psutil come with the `notebooks` extra and are
imported where they are used.
"""

from lcnb.running.notebooks import Notebook, NotebookError, Parameter, convert, declared, find
from lcnb.running.process import Failure, Outcome, execute

__all__ = ["Failure", "Notebook", "NotebookError", "Outcome", "Parameter", "convert", "declared", "execute", "find"]
