"""preset: make a folder for a run from one of presets/.

in:  presets/{name}.yaml, and where the videos lie
out: {out}/params.yaml, which is kept if it is there; `snakemake --directory {out}` does the rest
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

from videossl import params, script
from videossl.errors import InputError
from videossl.files import atomic


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("preset", type=Path)
    parser.add_argument("--root", default="", help="the dataset's folder, when it is not to be the preset's own")
    parser.add_argument("--lists", default="", help="the folder of the official split lists, when not under root")
    parser.add_argument(
        "--transfer",
        default="",
        help="the folder that holds the datasets of `transfer`, each under its name, when they are not to be the preset's own",
    )
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    args = script.read(parser)
    if not args.preset.is_file():
        known = ", ".join(sorted(path.stem for path in args.preset.parent.glob("*.yaml")))
        raise InputError(f"there is no preset {args.preset}; known: {known}")
    text = args.preset.read_text(encoding="utf-8")
    for key, value in (("root", args.root), ("lists", args.lists)):
        if value:
            text = _with_folder(text, key, value, args.preset)
    for one in params.parse(text, str(args.preset))["transfer"] if args.transfer else []:
        text = _with_folder(text, f"transfer {one['name']}", str(Path(args.transfer) / one["name"]), args.preset)
    params.parse(text, str(args.preset))
    if (args.out / "params.yaml").exists():
        print(f"kept {args.out / 'params.yaml'} as it is; delete it to start from {args.preset} again", file=sys.stderr)
        return
    with atomic(args.out / "params.yaml") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"wrote {args.out / 'params.yaml'}", file=sys.stderr)


def _with_folder(text: str, key: str, folder: str, preset: Path) -> str:
    """`text` with the `key` of the dataset set to `folder`, or the root of the dataset NAME for `transfer NAME`; comments stay."""
    kind, _, name = key.partition(" ")
    path = Path(folder).resolve()
    if not path.is_dir():
        wanted = "split lists" if kind == "lists" else f"videos of {name or 'the dataset'}"
        raise InputError(f"{kind.upper()} is {folder}, which is not a folder; name the one that holds the {wanted}")
    pattern = {
        "root": r"(?m)(^  root: ).*()$",
        "lists": r"(?m)(^  options: \{)(?:lists: [^}]*)?(\})",
        "transfer": rf"(?m)(^  - name: {re.escape(name)}\n    root: ).*()$",
    }[kind]
    value = ("lists: " if kind == "lists" else "") + _quoted(str(path))
    text, found = re.subn(pattern, lambda match: f"{match[1]}{value}{match[2]}", text, count=1)
    if not found:
        raise InputError(f"{preset} has no place for {key.upper()}; leave it out or choose another preset")
    return text


def _quoted(text: str) -> str:
    """`text` as a YAML scalar on one line."""
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return yaml.safe_dump(text, default_style='"', width=sys.maxsize, allow_unicode=True).strip()


if __name__ == "__main__":
    script.run(main)
