"""compare: one target of params.targets beside the paper's table or figure of that name.

in:  the index, results, results along the trainings, training curves
out: data/report/{target}.json and data/report/{target}.html, and the numbers on stdout
"""

from __future__ import annotations

from pathlib import Path

from videossl import script
from videossl.data import index
from videossl.files import write_json
from videossl.report import compared, run, tables, target


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--target", required=True, help="its name in params.targets")
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--results", type=Path, nargs="*", default=[])
    parser.add_argument("--progress", type=Path, nargs="*", default=[], help="results along a training: {training}.json")
    parser.add_argument("--histories", type=Path, nargs="*", default=[], help="training curves: {experiment}/{seed}/{training}.json")
    parser.add_argument("--out", type=Path, nargs=2, required=True, metavar=("JSON", "HTML"))
    args = script.read(parser)
    files = run.Run(
        params=args.params,
        dataset=args.params["dataset"]["name"],
        index=index.read(args.index),
        results=[run.result(path) for path in args.results],
        progress=[run.progress(path) for path in args.progress],
        histories=[run.history(path) for path in args.histories],
        provenance=[run.trained(path) for path in args.histories],
        commands=[
            f"snakemake --cores all {args.target}  # in the repository; of another run: --directory with the folder of its params.yaml"
        ],
    )
    comparison = target.comparison(run.by_test_set(files), args.target)
    data, page = args.out
    write_json(data, target.data(comparison))
    tables.write(page, compared.render(comparison))
    print(compared.terminal(comparison))
    print(f"\n{args.target}: {page.resolve()}")


if __name__ == "__main__":
    script.run(main)
