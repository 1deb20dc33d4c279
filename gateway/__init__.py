"""The HTTP process of Voxgate. It never imports torch or a model runtime."""

from importlib.metadata import version

__version__ = version("voxgate")
