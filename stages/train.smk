# in:  data/index, data/cache
# out: data/models/{experiment}/{seed}/{modality}/{phase}.safetensors            weights, and .json beside it, their training curve
#      data/models/{experiment}/{seed}/{modality}/{phase}.snapshots.safetensors  the encoder along the way, where the recipe has `keep`
#      data/models/{experiment}/mixable.json  what a cross-modal experiment may mix, checked before anything is trained

# How a training runs, none of which changes what it makes; profiles and --set-resources override it. The launcher becomes
# the training, and `exec` the launcher: a shell in between would die of the signals that a training heeds, and take it with it.
MACHINE = {
    "nodes": 1,
    "processes": 1,  # on each node: one a GPU
    "workers": 0,  # of each process: that read clips
    "checkpoint_minutes": 10,
}
LAUNCH = at("stages/launch.py")
TRAIN = "exec python {LAUNCH:q} --nodes {resources.nodes} --processes {resources.processes} {input.code[0]:q}"
ON_MACHINE = (
    " --workers {resources.workers} --checkpoint-minutes {resources.checkpoint_minutes}"
)

PRETRAINING, CROSS_MODAL, MINING = (
    [name for name in EXPERIMENTS if parameters.kind(P["experiments"][name]) == kind]
    for kind in ("pretrain", "cmmc", "mining")
)
# The modalities whose encoders `mining` trains at once; the rule is there where nothing is mined, too.
MINED = parameters.mined(P) or ["joint", "motion"]


def weights(experiment, phase, suffix=".safetensors"):
    """The weights file of a phase; {seed} and {modality} stay open."""
    return f"data/models/{experiment}/{{seed}}/{{modality}}/{phase}{suffix}"


def made_by_training(experiment, phase):
    """All that a training leaves."""
    return {
        "weights": weights(experiment, phase),
        "history": weights(experiment, phase, ".json"),
        "snapshots": weights(experiment, phase, ".snapshots.safetensors"),
    }


def partner_of(wildcards):
    """The other modality of a cross-modal experiment, if it is mixed in."""
    return parameters.partner(P, wildcards.experiment, wildcards.modality)


def start(which):
    """The weights that a stage starts from: `own` or the `partner`'s newest, if there is one."""

    def path(wildcards):
        own, partner = parameters.start_of(
            P, wildcards.experiment, wildcards.modality, int(wildcards.cycle)
        )
        modality = wildcards.modality if which == "own" else partner_of(wildcards)
        file = weights(*(own if which == "own" else partner))
        return file.format(seed=wildcards.seed, modality=modality) if modality else []

    return path


rule mixable:
    input:
        code=code("mixable.py"),
    output:
        "data/models/{experiment}/mixable.json",
    log:
        "logs/mixable/{experiment}.log",
    benchmark:
        "logs/mixable/{experiment}.tsv"
    wildcard_constraints:
        experiment="|".join(CROSS_MODAL) or "none",
    priority: 100
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        slice=slice_of(parameters.mixable_slice, "experiment"),
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --out {output:q} --log {log:q}"


rule pretrain:
    input:
        index=f"data/index/{DATASET}.csv",
        cache=lambda wildcards: cached(wildcards.modality),
        code=code("pretrain.py"),
    output:
        **made_by_training("{experiment}", "pretrain"),
    log:
        "logs/pretrain/{experiment}-{seed}-{modality}.log",
    benchmark:
        "logs/pretrain/{experiment}-{seed}-{modality}.tsv"
    wildcard_constraints:
        experiment="|".join(PRETRAINING) or "none",
    priority: 10
    threads: P["threads"]
    resources:
        **MACHINE,
        mem_mb=8000,
        runtime=2880,
    params:
        slice=slice_of(parameters.pretrain_slice, "experiment", "modality"),
    shell:
        TRAIN
        + " --params {params.slice:q} --seed {wildcards.seed} --index {input.index:q}"
        " --cache {input.cache:q} --out {output.weights:q} --log {log:q}" + ON_MACHINE


rule cmmc:
    input:
        index=f"data/index/{DATASET}.csv",
        cache=lambda wildcards: cached(wildcards.modality),
        partner_cache=lambda wildcards: (
            cached(partner_of(wildcards)) if partner_of(wildcards) else []
        ),
        start=start("own"),
        partner=start("partner"),
        mixable=rules.mixable.output,
        code=code("cmmc.py"),
    output:
        **made_by_training("{experiment}", "cmmc{cycle}"),
    log:
        "logs/cmmc/{experiment}-{seed}-{modality}-{cycle}.log",
    benchmark:
        "logs/cmmc/{experiment}-{seed}-{modality}-{cycle}.tsv"
    wildcard_constraints:
        experiment="|".join(CROSS_MODAL) or "none",
    priority: 20
    threads: P["threads"]
    resources:
        **MACHINE,
        mem_mb=8000,
        runtime=2880,
    params:
        slice=slice_of(parameters.cmmc_slice, "experiment", "modality"),
    shell:
        TRAIN
        + " --params {params.slice:q} --seed {wildcards.seed} --index {input.index:q}"
        " --modality {wildcards.modality} --cache {input.cache:q} --partner-cache {input.partner_cache:q}"
        " --start {input.start:q} --partner {input.partner:q} --cycle {wildcards.cycle} --out {output.weights:q} --log {log:q}"
        + ON_MACHINE


def newest(modality):
    """The weights of `modality` that an experiment starts from."""
    return lambda wildcards: weights(
        *parameters.before(P, wildcards.experiment, modality)
    ).format(seed=wildcards.seed, modality=modality)


def of_both(suffix):
    """What the training of both encoders leaves, one file a modality."""
    path = weights("{{experiment}}", "mining", suffix)
    return [path.format(seed="{seed}", modality=modality) for modality in MINED]


rule mining:
    input:
        index=f"data/index/{DATASET}.csv",
        cache=lambda wildcards: cached(MINED[0]),
        other_cache=lambda wildcards: cached(MINED[1]),
        start=newest(MINED[0]),
        other_start=newest(MINED[1]),
        code=code("mining.py"),
    output:
        weights=of_both(".safetensors"),
        history=of_both(".json"),
        snapshots=of_both(".snapshots.safetensors"),
    log:
        "logs/mining/{experiment}-{seed}.log",
    benchmark:
        "logs/mining/{experiment}-{seed}.tsv"
    wildcard_constraints:
        experiment="|".join(MINING) or "none",
    priority: 20
    threads: P["threads"]
    resources:
        **MACHINE,
        mem_mb=8000,
        runtime=2880,
    params:
        slice=slice_of(parameters.mining_slice, "experiment"),
        modalities=MINED,
    shell:
        TRAIN
        + " --params {params.slice:q} --seed {wildcards.seed} --index {input.index:q} --modalities {params.modalities:q}"
        " --cache {input.cache:q} --start {input.start:q} --out {output.weights[0]:q}"
        " --other-cache {input.other_cache:q} --other-start {input.other_start:q} --other-out {output.weights[1]:q} --log {log:q}"
        + ON_MACHINE


# The targets that dvc.yaml calls: all that one experiment trains. Of a pretraining it calls for the files themselves.

for experiment in parameters.with_starts(P, P["all"]):

    rule:
        name:
            f"train_{experiment}"
        input:
            [
                weights(experiment, phase).format(seed=P["seed"], modality=modality)
                for modality, phase in parameters.phases(P, experiment)
            ],
