"""`videossl`, and `python -m videossl`: the command line, or one line where what it is written with is not installed."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from videossl.commands import main as run
    except ModuleNotFoundError as error:
        print(f"error: the package {error.name} is missing; pip install videossl brings it, and make setup in a clone", file=sys.stderr)
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
