"""Errors a user can act on: each says what was wrong, with the value, and what to do."""


def printable(text: str) -> str:
    """A text that cannot steer a terminal: names of files and what files hold are other people's."""
    return "".join(c if c.isprintable() else "?" for c in text)


class LcnbError(Exception):
    """Base of all errors that the command line prints as one sentence, without a traceback."""


class NotFiniteError(LcnbError, ArithmeticError):
    """A network computed NaN or infinity where numbers belong: its picture or its weights hold such values."""


class DataError(LcnbError):
    """A data set is missing, incomplete or damaged."""


class WeightsError(LcnbError):
    """Weights are missing, damaged or of another network."""
