"""``python -m server.cli``: the same as ``passerelle``."""

from server.cli import main

main(prog_name="passerelle")
