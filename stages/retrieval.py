"""retrieval: test videos query training videos, cosine of features averaged over clips, R@1, 5, 10, 20 (P section 4.3).

in:  features of one experiment, a file a modality
out: data/results/{experiment}/{seed}/{dataset}/retrieval.json
"""

from __future__ import annotations

from videossl import script
from videossl.tasks import job, retrieval


def main() -> None:
    args = script.read(job.score_parser(__doc__))
    groups = job.streams(args)
    values = {name: retrieval.fuse(parts) for name, parts in groups.items()}
    chance = retrieval.chance(next(iter(groups.values()))[0])
    job.write_result(args, "retrieval", "stages/retrieval.py", values, chance, groups)


if __name__ == "__main__":
    script.run(main)
