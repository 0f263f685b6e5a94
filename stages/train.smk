# in:  data/index, data/cache
# out: data/models/{experiment}/{seed}/{training}.safetensors            weights of all encoders that it trained; .json beside it, its curve
#      data/models/{experiment}/{seed}/{training}.snapshots.safetensors  the encoders along the way, where the recipe has `keep`
#      data/models/{experiment}/feasible.json  what the encoders allow the method to do, checked before anything is trained

# These resources say how a training runs. They do not change what it makes. Profiles and --set-resources override it. The launcher becomes
# the training, and `exec` the launcher: a shell in between would die of the signals that a training heeds, and take it with it.
MACHINE = {
    "nodes": 1,
    "processes": 1,  # on each node: one a GPU
    "workers": 0,  # of each process: that read clips
    "resident": 0,  # GB of the GPU's memory that may hold all frames of a training, which then reads none
    "checkpoint_minutes": 10,
}
LAUNCH = at("stages/launch.py")
TRAIN = "exec python {LAUNCH:q} --nodes {resources.nodes} --processes {resources.processes} {input.code[0]:q}"
ON_MACHINE = " --workers {resources.workers} --resident {resources.resident} --checkpoint-minutes {resources.checkpoint_minutes}"

TRAININGS = {
    (experiment, training.name): training
    for experiment in EXPERIMENTS
    for training in recipes.trainings(P, experiment)
}


def training_of(wildcards):
    """The training that a job is."""
    if (wildcards.experiment, wildcards.training) not in TRAININGS:
        known = ", ".join(
            name for experiment, name in TRAININGS if experiment == wildcards.experiment
        )
        raise ValueError(
            f"{wildcards.experiment} has no training {wildcards.training}; known: {known}"
        )
    return TRAININGS[wildcards.experiment, wildcards.training]


def weights_of(training):
    """The weights that a training leaves; {seed} stays open."""
    return paths.weights(training.experiment, training.name)


def training_slice(wildcards):
    return slices.training(P, training_of(wildcards))


def cache_of_training(wildcards):
    """The shards that the views of a training are read from, those of frozen encoders included."""
    training = training_of(wildcards)
    frozen = recipes.frozen_streams(P, training).values()
    return shards_of([*training.streams, *frozen])


def start_of(wildcards):
    """For each stream of a training, the weights that it begins from; [] at initial weights."""
    starts = recipes.starts(P, training_of(wildcards)).values()
    return [weights_of(start).format(seed=wildcards.seed) for start in starts]


def frozen_of(wildcards):
    """The weights of each frozen encoder."""
    frozen = recipes.frozen(P, training_of(wildcards)).values()
    return [weights_of(training).format(seed=wildcards.seed) for _, training in frozen]


def feasible_of(wildcards):
    """What is looked at before anything is trained, where the method has something to look at."""
    looked_at = "feasible" in recipes.method(P, wildcards.experiment)
    return paths.feasible(wildcards.experiment) if looked_at else []


rule feasible:
    input:
        code=depends(
            "feasible.py",
            uses(lambda wildcards: slices.feasible(P, wildcards.experiment)),
        ),
    output:
        paths.feasible("{experiment}"),
    log:
        "logs/feasible/{experiment}.log",
    benchmark:
        "logs/feasible/{experiment}.tsv"
    priority: 100
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        slice=as_json(lambda wildcards: slices.feasible(P, wildcards.experiment)),
        weights=lambda wildcards: run_plan.fingerprint(
            *run_plan.recipe_files(P, wildcards.experiment)
        ),
    message:
        "see whether the encoders of {wildcards.experiment} allow its method"
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --experiment {wildcards.experiment} --out {output:q} --log {log:q}"


rule train:
    input:
        index=paths.index(DATASET),
        cache=cache_of_training,
        start=start_of,
        frozen=frozen_of,
        feasible=feasible_of,
        code=depends("train.py", uses(training_slice)),
    output:
        weights=paths.weights("{experiment}", "{training}"),
        history=paths.history("{experiment}", "{training}"),
        snapshots=paths.snapshots("{experiment}", "{training}"),
    log:
        "logs/train/{experiment}-{seed}-{training}.log",
    benchmark:
        "logs/train/{experiment}-{seed}-{training}.tsv"
    priority: 10
    threads: P["threads"]
    resources:
        **MACHINE,
        mem_mb=8000,
        runtime=2880,
    params:
        slice=as_json(training_slice),
        cache=lambda wildcards, input: paths.in_short(input.cache),
    message:
        "train {wildcards.training} of {wildcards.experiment}, seed {wildcards.seed}"
    shell:
        TRAIN
        + " --params {params.slice:q} --experiment {wildcards.experiment} --seed {wildcards.seed} --index {input.index:q}"
        " --cache {params.cache:q} --start {input.start:q} --frozen {input.frozen:q} --out {output.weights:q} --log {log:q}"
        + ON_MACHINE


def made_by_training(experiment, seed):
    """All files that the trainings of an experiment leave."""
    return [
        file.format(seed=seed, experiment=experiment, training=training.name)
        for training in recipes.trainings(P, experiment)
        for file in rules.train.output
    ]


# The targets that dvc.yaml calls: all that one experiment trains.

for experiment in recipes.with_starts(P, P["all"]):

    rule:
        name:
            f"train_{experiment}"
        input:
            made_by_training(experiment, P["seed"]),
        localrule: True
        message:
            f"all trainings of {experiment} are made"
        shell:
            ":"  # a job, so that what no job makes is put aside

    if "feasible" in recipes.method(P, experiment):
        ONCE.append(paths.feasible(experiment))
