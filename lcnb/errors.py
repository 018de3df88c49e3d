"""Errors a user can act on: each says what was wrong, with the value, and what to do."""


class LcnbError(Exception):
    """Base of all errors that the command line prints as one sentence, without a traceback."""


class DataError(LcnbError):
    """A data set is missing, incomplete or damaged."""


class WeightsError(LcnbError):
    """Weights are missing, damaged or of another network."""


class DownloadError(DataError):
    """A data set could not be fetched, checked or put into its place."""
