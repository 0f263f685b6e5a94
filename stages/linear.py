"""linear: a linear layer on the frozen encoder's features (P section 4.3).

in:  features of one experiment, a file a modality
out: data/results/{experiment}/{seed}/{dataset}/linear.json
"""

from __future__ import annotations

import torch

from videossl import script
from videossl.tasks import job, linear


def main() -> None:
    args = script.read(job.score_parser(__doc__))
    torch.set_num_threads(args.params["threads"])
    groups, settings = job.streams(args), args.params["evaluate"]["linear"]
    distinct = {id(one): one for parts in groups.values() for one in parts}  # a fused stream mostly shares its parts with those alone
    probed = {key: linear.train_probe(one, **settings) for key, one in distinct.items()}
    values = job.probability_scores(groups, lambda one: probed[id(one)])
    chance = job.chance_accuracy(next(iter(groups.values()))[0])
    job.write_result(args, "linear", "stages/linear.py", values, chance, groups)


if __name__ == "__main__":
    script.run(main)
