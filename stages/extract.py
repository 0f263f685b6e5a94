"""extract: a cached modality of one shard of videos, by the extractor that its YAML names.

in:  the index, the videos or skeleton files, what else the extractor reads
out: data/cache/{dataset}/{modality}/{shard}.h5
"""

from __future__ import annotations

import importlib
from types import ModuleType

from videossl import registry, script
from videossl.extract import shard


def main() -> None:
    parser = shard.parser(__doc__)
    parser.add_argument("--source", required=True, help="the modality that is cached")
    parser.add_argument("--extractor", default="", help="its extractor's module, where it is of videossl.extract; else the modality's own")
    args = script.read(parser)
    module = _module(args.source, args.extractor)
    shard.run(args, args.source, module.make(args.params))
    if hasattr(module, "after"):
        module.after(args.out)


def _module(modality: str, extractor: str) -> ModuleType:
    """The module that makes the extractor of a modality: one of videossl.extract that its YAML names, or the modality's own."""
    named = [declared.get("module") for declared in registry.declared("modalities", modality)["extractors"].values()]
    return importlib.import_module(f"videossl.extract.{extractor}") if extractor in named else registry.module("modalities", modality)


if __name__ == "__main__":
    script.run(main)
