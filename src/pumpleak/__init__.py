"""Infer what sets a cell's resting potential."""

from ._version import __version__ as __version__
