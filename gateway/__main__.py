"""``python -m gateway`` is ``voxgate``."""

from gateway.cli import main

main()
