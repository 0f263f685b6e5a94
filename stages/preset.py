"""preset: make a folder for a run from one of presets/.

in:  presets/{name}.yaml, and where the videos lie; another run of the same videos, if there is one
out: {out}/params.yaml, which is kept if it is there; `snakemake --directory {out}` does the rest
     {out}/data/scratch: what that other run found out of the videos, so that it is not found out again
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from videossl import registry, script
from videossl.data import listing
from videossl.errors import InputError
from videossl.extract import shard
from videossl.files import atomic
from videossl.params import load, run_plan


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
    parser.add_argument("--split", default="", help="which of the dataset's official splits, when it is not to be the preset's")
    parser.add_argument("--like", default="", help="the folder of a run on the same videos: what it decoded and extracted is used again")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    args = script.read(parser)
    if not args.preset.is_file():
        presets = ", ".join(sorted(path.stem for path in args.preset.parent.glob("*.yaml")))
        raise InputError(f"there is no preset {args.preset}; known: {presets}")
    text = args.preset.read_text(encoding="utf-8")
    for key, value in (("root", args.root), ("lists", args.lists)):
        if value:
            text = _with_folder(text, key, value, args.preset)
    for entry in load.parse(text, str(args.preset))["transfer"] if args.transfer else []:
        text = _with_folder(text, f"transfer {entry['name']}", str(Path(args.transfer) / entry["name"]), args.preset)
    params = load.parse(text, str(args.preset))
    if args.split:
        module = registry.module("datasets", params["dataset"]["name"])
        split = listing.split_of(module, args.split, params["dataset"]["options"])
        text = _with_split(text, split, args.preset)
    shared = _kept(Path(args.like), run_plan.datasets(params)) if args.like else []
    _write(args, text)
    _share(Path(args.like), args.out, shared)


def _write(args: argparse.Namespace, text: str) -> None:
    """Write the run's params, unless they are there. Raises InputError if they are there with another split."""
    if (args.out / "params.yaml").exists():
        kept_split = load.load(args.out / "params.yaml")["dataset"]["split"]
        if args.split and int(args.split) != kept_split:
            raise InputError(
                f"SPLIT is {args.split}, and {args.out / 'params.yaml'} is there with split {kept_split}; give OUT for a run of its own"
            )
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
    text, replaced = re.subn(pattern, lambda match: f"{match[1]}{value}{match[2]}", text, count=1)
    if not replaced:
        raise InputError(f"{preset} has no place for {key.upper()}; leave it out or choose another preset")
    return text


def _with_split(text: str, split: int, preset: Path) -> str:
    """`text` with that split of the dataset; comments stay."""
    text, replaced = re.subn(r"(?m)^(  split: )\d+", rf"\g<1>{split}", text, count=1)
    if not replaced:
        raise InputError(f"{preset} has no place for SPLIT; leave it out or choose another preset")
    return text


def _kept(like: Path, datasets: Iterable[str]) -> list[Path]:
    """The files that the run in `like` keeps of `datasets` for the next time, relative to it: journals of indexes, and shards of caches."""
    scratch = Path("data/scratch")
    kept = []
    for name in datasets:
        kept += [path for path in [like / scratch / "index" / f"{name}.jsonl"] if path.is_file()]
        kept += sorted((like / scratch / "cache" / name).rglob("*.h5"))
    if not kept:
        names = " or ".join(datasets)
        raise InputError(f"LIKE is {like}, in whose data/scratch nothing of {names} is kept; name the folder of a run on the same videos")
    return [path.relative_to(like) for path in kept]


def _share(like: Path, out: Path, paths: Iterable[Path]) -> None:
    """Give the run in `out` what the one in `like` keeps, unless it has its own.

    A split says on which side a video is, and nothing of its contents, so index and extractors find everything known. Shards are links to the same
    bytes, since both runs replace such files whole; a journal is added to, so it is a copy. Which code made a shard goes with it, and is read
    before the shard: one that is made anew meanwhile is not taken for what that code made.
    """
    for path in paths:
        if (out / path).exists():
            continue
        made_with = like / shard.code_of(path)
        digest = made_with.read_text(encoding="utf-8") if made_with.is_file() else ""
        with atomic(out / path) as temporary:
            if path.suffix != ".h5" or not _linked(like / path, temporary):
                shutil.copyfile(like / path, temporary)
        if path.suffix == ".h5":
            shard.code_of(out / path).write_text(digest, encoding="utf-8")


def _linked(source: Path, target: Path) -> bool:
    """Give a file a second name; False where its disk has no links, or `target` lies on another."""
    try:
        target.hardlink_to(source)
    except OSError:
        return False
    return True


def _quoted(text: str) -> str:
    """`text` as a YAML scalar on one line."""
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return yaml.safe_dump(text, default_style='"', width=sys.maxsize, allow_unicode=True).strip()


if __name__ == "__main__":
    script.run(main)
