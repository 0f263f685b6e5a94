"""report: the page that a person looks at.

in:  the index, caches, training curves, features and results
out: data/report/index.html, and the results on stdout
"""

from __future__ import annotations

from pathlib import Path

from videossl import made_from, registry, script
from videossl.files import atomic, write_json
from videossl.report import html_tables, pictured, run_page
from videossl.report.finished_run import gather, headlines, losses


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--index", type=Path, required=True)
    script.add_cache(parser)
    parser.add_argument("--results", type=Path, nargs="*", default=[])
    parser.add_argument("--histories", type=Path, nargs="*", default=[], help="training curves: {experiment}/{seed}/{training}.json")
    parser.add_argument("--features", type=Path, nargs="*", default=[], help="for the gallery")
    parser.add_argument("--numbers", type=Path, required=True, help="a JSON file for the headlines of all tasks")
    parser.add_argument("--curves", type=Path, required=True, help="a CSV file for the losses of all trainings")
    parser.add_argument("--out", type=Path, required=True)
    args = script.read(parser)
    run = pictured.add(gather(args.params, args.index, args.results, args.histories), args.cache, args.features, args.histories)
    record = made_from.record("stages/report.py", args.params, registry.drawn(args.params))
    write_json(args.numbers, headlines(run))
    with atomic(args.curves) as temporary:
        temporary.write_text(losses(run), encoding="utf-8")
    html_tables.write(args.out, made_from.in_page(run_page.render(run), record))
    print(run_page.terminal(run))
    print(f"\nreport: {args.out.resolve()}")


if __name__ == "__main__":
    script.run(main)
