"""compare: one target of params.targets beside the paper's table or figure of that name.

in:  the index, results, results along the trainings, training curves
out: data/report/{target}.json and data/report/{target}.html, and the numbers on stdout
"""

from __future__ import annotations

from pathlib import Path

from videossl import made_from, registry, script
from videossl.files import write_json
from videossl.report import html_tables, target_data, target_page
from videossl.report.finished_run import gather


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--target", required=True, help="its name in params.targets")
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--results", type=Path, nargs="*", default=[])
    parser.add_argument("--progress", type=Path, nargs="*", default=[], help="results along a training: {training}.json")
    parser.add_argument("--histories", type=Path, nargs="*", default=[], help="training curves: {experiment}/{seed}/{training}.json")
    parser.add_argument("--out", type=Path, nargs=2, required=True, metavar=("JSON", "HTML"))
    args = script.read(parser)
    run = gather(args.params, args.index, args.results, args.histories, progress=args.progress, target=args.target)
    target = target_data.record(run, args.target)
    data, page = args.out
    record = made_from.record("stages/compare.py", args.params, registry.shown(args.params))
    write_json(data, target | {"provenance": record})
    html_tables.write(page, made_from.in_page(target_page.render(run, target), record))
    print(target_page.terminal(target))
    print(f"\n{args.target}: {page.resolve()}")


if __name__ == "__main__":
    script.run(main)
