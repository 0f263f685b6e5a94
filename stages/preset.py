"""preset: make a folder for a run from one of presets/.

in:  presets/{name}.yaml, and where the videos lie
out: {out}/params.yaml; `snakemake --directory {out}` does the rest
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from videossl import params, script
from videossl.errors import InputError
from videossl.files import atomic


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("preset", type=Path)
    parser.add_argument("--root", default="", help="the dataset's folder")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    args = script.read(parser)
    if not args.preset.is_file():
        known = ", ".join(sorted(path.stem for path in args.preset.parent.glob("*.yaml")))
        raise InputError(f"there is no preset {args.preset}; known: {known}")
    text = args.preset.read_text(encoding="utf-8")
    if args.root:
        root = str(Path(args.root).resolve())
        if not Path(root).is_dir():
            raise InputError(f"ROOT is {args.root}, which is not a folder; name the folder that the videos lie in")
        text, found = re.subn(r"(?m)^  root: .*$", lambda _: f"  root: {_quoted(root)}", text, count=1)
        if not found:
            raise InputError(f"{args.preset} has no line `  root:` under dataset; add it")
    params.parse(text, str(args.preset))
    with atomic(args.out / "params.yaml") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"wrote {args.out / 'params.yaml'}", file=sys.stderr)


def _quoted(text: str) -> str:
    """`text` as a YAML scalar in single quotes."""
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    script.run(main)
