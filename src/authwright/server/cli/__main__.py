"""`python -m authwright.server.cli`: the command where its script is not on the path."""

from authwright.server.cli import main

main(prog_name="authwright")
