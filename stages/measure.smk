# in:  data/index, data/cache, data/models
# out: data/features/{experiment}/{seed}/{stream}/{dataset}.h5            what an encoder makes of every video
#      data/features/{experiment}/{seed}/{stream}/{dataset}.{task}.h5     what it predicts, where a task trains it
#      data/results/{experiment}/{seed}/{dataset}/{task}.json             numbers
#      data/progress/{experiment}/{seed}/{dataset}/{training}.json        the same along one training


def trains(task):
    """Whether a task trains the encoder, and is not measured on features of it as it is."""
    return registry.declared("tasks", task)["given"] == "encoder"


def final_weights(wildcards):
    """The weights that are measured; none for the untrained encoder and the hand-made feature."""
    if wildcards.experiment in BASELINES:
        return []
    training = recipes.chain(P, wildcards.experiment, wildcards.stream)[-1]
    return weights_of(training).format(seed=wildcards.seed)


def features_of(experiment, seed, dataset, task=""):
    """One file of features, or predictions, for each stream of the experiment that is measured on the dataset."""
    return [
        paths.features(experiment, stream, dataset, seed, task)
        for stream in run_plan.measured(P, experiment, dataset)
    ]


def results(experiment, seed, tasks):
    """The result files of an experiment and seed, on all datasets."""
    return [
        paths.results(experiment, dataset, task, seed)
        for dataset in DATASETS
        if run_plan.measured(P, experiment, dataset)
        for task in tasks
        if not (experiment == "handmade" and trains(task))
    ]


def features_slice(wildcards):
    return slices.features(P, wildcards.stream)


def finetune_slice(wildcards):
    return slices.finetune(P, wildcards.task, wildcards.stream)


def progress_slice(wildcards):
    return slices.progress(P, training_of(wildcards))


rule measurable:
    input:
        index=rules.index.output.table,
        code=depends(
            "measurable.py",
            uses(lambda wildcards: slices.measurable(P, wildcards.dataset)),
        ),
    output:
        paths.measurable("{dataset}"),
    log:
        "logs/measurable/{dataset}.log",
    benchmark:
        "logs/measurable/{dataset}.tsv"
    priority: 100
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        slice=as_json(lambda wildcards: slices.measurable(P, wildcards.dataset)),
        tasks=as_json(lambda wildcards: P["evaluate"]["tasks"]),  # DVC sees names and settings as one; both engines rerun
    message:
        "see whether the labels and split of {wildcards.dataset} allow the tasks"
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --index {input.index:q} --out {output:q} --log {log:q}"


rule features:
    input:
        index=rules.index.output.table,
        cache=lambda wildcards: shards_of([wildcards.stream], wildcards.dataset),
        weights=final_weights,
        code=depends("features.py", uses(features_slice)),
    output:
        paths.features("{experiment}", "{stream}", "{dataset}"),
    log:
        "logs/features/{experiment}-{seed}-{stream}-{dataset}.log",
    benchmark:
        "logs/features/{experiment}-{seed}-{stream}-{dataset}.tsv"
    threads: P["threads"]
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        slice=as_json(features_slice),
        cache=lambda wildcards, input: paths.in_short(input.cache),
    message:
        "features of {wildcards.dataset} by {wildcards.stream} of {wildcards.experiment}, seed {wildcards.seed}"
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --experiment {wildcards.experiment} --seed {wildcards.seed}"
        " --index {input.index:q} --cache {params.cache:q} --weights {input.weights:q} --out {output:q} --log {log:q}"


rule finetune:
    input:
        index=rules.index.output.table,
        cache=lambda wildcards: shards_of([wildcards.stream], wildcards.dataset),
        weights=final_weights,
        code=depends("finetune.py", uses(finetune_slice)),
    output:
        paths.features("{experiment}", "{stream}", "{dataset}", task="{task}"),
    log:
        "logs/finetune/{experiment}-{seed}-{stream}-{dataset}-{task}.log",
    benchmark:
        "logs/finetune/{experiment}-{seed}-{stream}-{dataset}-{task}.tsv"
    wildcard_constraints:
        task="|".join(task for task in TASKS if trains(task)) or "none",
    threads: P["threads"]
    resources:
        **MACHINE,
        mem_mb=8000,
        runtime=2880,
    params:
        slice=as_json(finetune_slice),
        cache=lambda wildcards, input: paths.in_short(input.cache),
    message:
        "{wildcards.task} {wildcards.stream} of {wildcards.experiment} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        TRAIN
        + " --params {params.slice:q} --task {wildcards.task} --experiment {wildcards.experiment} --seed {wildcards.seed}"
        " --index {input.index:q} --cache {params.cache:q} --weights {input.weights:q} --out {output:q} --log {log:q}"
        + ON_MACHINE


rule score:
    input:
        features=lambda wildcards: features_of(
            wildcards.experiment,
            wildcards.seed,
            wildcards.dataset,
            wildcards.task if trains(wildcards.task) else "",
        ),
        code=depends(
            "score.py",
            lambda wildcards: registry.files("tasks", wildcards.task),
        ),
    output:
        paths.results("{experiment}", "{dataset}", "{task}"),
    log:
        "logs/score/{experiment}-{seed}-{dataset}-{task}.log",
    benchmark:
        "logs/score/{experiment}-{seed}-{dataset}-{task}.tsv"
    threads: P["threads"]
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        slice=as_json(lambda wildcards: slices.score(P, wildcards.task)),
    message:
        "score {wildcards.task} of {wildcards.experiment} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --task {wildcards.task} --experiment {wildcards.experiment}"
        " --seed {wildcards.seed} --dataset {wildcards.dataset} --features {input.features:q} --out {output:q} --log {log:q}"


rule progress:
    input:
        index=rules.index.output.table,
        cache=lambda wildcards: shards_of(
            training_of(wildcards).streams, wildcards.dataset
        ),
        snapshots=paths.snapshots("{experiment}", "{training}"),
        code=depends("progress.py", uses(progress_slice)),
    output:
        paths.progress("{experiment}", "{training}", "{dataset}"),
    log:
        "logs/progress/{experiment}-{seed}-{training}-{dataset}.log",
    benchmark:
        "logs/progress/{experiment}-{seed}-{training}-{dataset}.tsv"
    threads: P["threads"]
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        slice=as_json(progress_slice),
        cache=lambda wildcards, input: paths.in_short(input.cache),
    message:
        "measure {wildcards.training} of {wildcards.experiment} along its training, on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --experiment {wildcards.experiment} --seed {wildcards.seed}"
        " --training {wildcards.training} --dataset {wildcards.dataset} --index {input.index:q} --cache {params.cache:q}"
        " --snapshots {input.snapshots:q} --out {output:q} --log {log:q}"


def made_by_measuring(experiment, seed):
    """All files that the measurements of an experiment leave: features, which the report draws whatever is measured, predictions, results."""
    tasks = run_plan.tasks_of(P, experiment)
    drawn = [] if experiment in BASELINES else features_of(experiment, seed, DATASET)
    encoded = [
        path
        for dataset in DATASETS
        for task in tasks
        if not (experiment == "handmade" and trains(task))
        for path in features_of(experiment, seed, dataset, task if trains(task) else "")
    ]
    return [*dict.fromkeys([*drawn, *encoded]), *results(experiment, seed, tasks)]


# The targets that dvc.yaml calls: all that is measured of one experiment.

for experiment in [*BASELINES, *P["all"]]:

    rule:
        name:
            f"evaluate_{experiment}"
        input:
            made_by_measuring(experiment, P["seed"]),
        localrule: True
        message:
            f"all measurements of {experiment} are made"
        shell:
            ":"  # a job, so that what no job makes is put aside
