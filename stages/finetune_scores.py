"""finetune_scores: class probabilities of the finetuned encoders as accuracies, alone and fused (P section 4.3).

in:  class probabilities of one experiment, a file a modality
out: data/results/{experiment}/{seed}/{dataset}/finetune.json
"""

from __future__ import annotations

from videossl import script
from videossl.tasks import job


def main() -> None:
    args = script.read(job.score_parser(__doc__))
    groups = job.streams(args)
    values = job.probability_scores(groups, lambda one: one.features[one.rows("test"), 0])
    chance = job.chance_accuracy(next(iter(groups.values()))[0])
    job.write_result(args, "finetune", "stages/finetune_scores.py", values, chance, groups)


if __name__ == "__main__":
    script.run(main)
