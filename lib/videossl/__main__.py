"""`python -m videossl`: the command line, where its script is not on the path."""

from videossl.commands import main

main()
