"""report: the page that a person looks at.

in:  the index, caches, training curves, features and results
out: data/report/index.html, and the results on stdout
"""

from __future__ import annotations

from pathlib import Path

from videossl import script
from videossl.report import page, tables
from videossl.report.run import by_test_set, gather


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--cache", type=Path, nargs="+", required=True)
    parser.add_argument("--results", type=Path, nargs="*", default=[])
    parser.add_argument("--histories", type=Path, nargs="*", default=[], help="training curves: {experiment}/{seed}/{training}.json")
    parser.add_argument("--features", type=Path, nargs="*", default=[], help="for the gallery")
    parser.add_argument("--out", type=Path, required=True)
    args = script.read(parser)
    run = by_test_set(gather(args.params, args.index, args.cache, args.results, args.histories, args.features))
    tables.write(args.out, page.render(run))
    print(page.terminal(run))
    print(f"\nreport: {args.out.resolve()}")


if __name__ == "__main__":
    script.run(main)
