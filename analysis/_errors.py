"""Errors: one class for whatever is the input's fault, and its kinds that are also Python's own.

``sweeps`` raises them too. The command line shows these, and no others, as one line.
"""


class InputError(ValueError):
    """An argument, a setting or what a folder holds cannot be used; the message says which, and what would do."""


class InputTypeError(InputError, TypeError):
    """A value of a kind that cannot be used."""


class MissingError(InputError, FileNotFoundError):
    """A file or folder that is not there."""


class TakenError(InputError, FileExistsError):
    """Something else is where a file or folder should go."""


class NotAFolderError(InputError, NotADirectoryError):
    """A file stands where a folder is expected."""


class DamagedError(InputError):
    """A file that was written whole is no longer what was written."""


class NotInstalledError(InputError, ImportError):
    """An optional package that is not installed."""


class TooLargeError(InputError, MemoryError):
    """Work that does not fit in memory or on the disk."""


class DivergedError(InputError, FloatingPointError):
    """A training whose numbers became infinite or NaN."""


class UnsupportedError(InputError, NotImplementedError):
    """A network that this part of the library cannot treat; the message names what stands in the way."""


class UnavailableError(InputError, OSError):
    """Data that cannot be fetched or read, or a disk that cannot be written."""
