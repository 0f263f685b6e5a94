"""score: features, or predictions of a task that trains, as numbers: each stream alone, and fused (P section 4.3).

in:  the files of one experiment, one for each stream
out: data/results/{experiment}/{seed}/{dataset}/{task}.json
"""

from __future__ import annotations

import sys

from videossl import script
from videossl.tasks import base, scripts


def main() -> None:
    args = script.read(scripts.score_parser(__doc__))
    task, settings = base.load(args.task), args.params["evaluate"]["tasks"][args.task]
    if torch := sys.modules.get("torch"):  # only where the task needs it: loading it takes seconds
        torch.set_num_threads(args.params["threads"])
    groups = scripts.streams(args)
    distinct = {id(features): features for parts in groups.values() for features in parts}  # fused streams mostly are those alone
    predictions = {key: task.predict(features, settings) for key, features in distinct.items()}
    scores = {name: base.scores(task, [predictions[id(part)] for part in parts], parts[0]) for name, parts in groups.items()}
    remarks = {name: base.remarks(task, [predictions[id(part)] for part in parts]) for name, parts in groups.items()}
    scripts.write_result(args, scores, task.chance(next(iter(groups.values()))[0]), groups, remarks)


if __name__ == "__main__":
    script.run(main)
