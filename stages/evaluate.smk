# in:  data/index, data/cache, data/models
# out: data/features/{experiment}/{seed}/{modality}/{dataset}.h5                        what an encoder makes of every video
#      data/features/{experiment}/{seed}/{modality}/{dataset}.finetune.h5               class probabilities after finetuning
#      data/results/{experiment}/{seed}/{dataset}/{task}.json                           numbers
#      data/progress/{experiment}/{seed}/{dataset}/{modality}.{phase}.json              the same along one training

TASKS = P["evaluate"]["tasks"]
FINETUNED = [*P["evaluate"]["finetune"], "untrained"]


def final_weights(wildcards):
    """The weights that are measured; none for the untrained encoder and the hand-made feature."""
    if wildcards.experiment in BASELINES:
        return []
    experiment, phase = parameters.chain(P, wildcards.experiment, wildcards.modality)[
        -1
    ]
    return weights(experiment, phase).format(
        seed=wildcards.seed, modality=wildcards.modality
    )


def features_of(suffix):
    """One file of features a modality of the experiment that is measured on the dataset."""
    path = f"data/features/{{experiment}}/{{seed}}/{{modality}}/{{dataset}}{suffix}.h5"
    return lambda wildcards: expand(
        path,
        modality=parameters.measured(P, wildcards.experiment, wildcards.dataset),
        **wildcards,
    )


def results(experiment, seed, tasks):
    """The result files of an experiment and seed, on all datasets."""
    return [
        f"data/results/{experiment}/{seed}/{dataset}/{task}.json"
        for dataset in DATASETS
        if parameters.measured(P, experiment, dataset)
        for task in tasks
        if (experiment, task) != ("handmade", "finetune")
    ]


def tasks_of(experiment):
    """What `all` measures of an experiment."""
    return [task for task in TASKS if task != "finetune" or experiment in FINETUNED]


SCORE = (
    "python {input.code[0]:q} --params {params.slice:q} --experiment {wildcards.experiment} --seed {wildcards.seed}"
    " --dataset {wildcards.dataset}"
    " --features {input.features:q} --out {output:q} --log {log:q}"
)


rule measurable:
    input:
        index=rules.index.output,
        code=code("measurable.py"),
    output:
        "data/index/{dataset}.measurable.json",
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
        slice=fixed(parameters.measurable_slice(P)),
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --index {input.index:q} --out {output:q} --log {log:q}"


rule features:
    input:
        index=rules.index.output,
        cache=lambda wildcards: cached(wildcards.modality, wildcards.dataset),
        weights=final_weights,
        code=code("features.py"),
    output:
        "data/features/{experiment}/{seed}/{modality}/{dataset}.h5",
    log:
        "logs/features/{experiment}-{seed}-{modality}-{dataset}.log",
    benchmark:
        "logs/features/{experiment}-{seed}-{modality}-{dataset}.tsv"
    threads: P["threads"]
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        slice=slice_of(parameters.features_slice, "modality"),
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --experiment {wildcards.experiment} --seed {wildcards.seed}"
        " --index {input.index:q} --cache {input.cache:q} --weights {input.weights:q} --out {output:q} --log {log:q}"


rule retrieval:
    input:
        features=features_of(""),
        code=code("retrieval.py"),
    output:
        "data/results/{experiment}/{seed}/{dataset}/retrieval.json",
    log:
        "logs/retrieval/{experiment}-{seed}-{dataset}.log",
    benchmark:
        "logs/retrieval/{experiment}-{seed}-{dataset}.tsv"
    threads: P["threads"]
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        slice=fixed(parameters.task_slice(P, "retrieval")),
    shell:
        SCORE


rule linear:
    input:
        features=features_of(""),
        code=code("linear.py"),
    output:
        "data/results/{experiment}/{seed}/{dataset}/linear.json",
    log:
        "logs/linear/{experiment}-{seed}-{dataset}.log",
    benchmark:
        "logs/linear/{experiment}-{seed}-{dataset}.tsv"
    threads: P["threads"]
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        slice=fixed(parameters.task_slice(P, "linear")),
    shell:
        SCORE


rule finetune:
    input:
        index=rules.index.output,
        cache=lambda wildcards: cached(wildcards.modality, wildcards.dataset),
        weights=final_weights,
        code=code("finetune.py"),
    output:
        "data/features/{experiment}/{seed}/{modality}/{dataset}.finetune.h5",
    log:
        "logs/finetune/{experiment}-{seed}-{modality}-{dataset}.log",
    benchmark:
        "logs/finetune/{experiment}-{seed}-{modality}-{dataset}.tsv"
    threads: P["threads"]
    resources:
        **MACHINE,
        mem_mb=8000,
        runtime=2880,
    params:
        slice=slice_of(parameters.finetune_slice, "modality"),
    shell:
        TRAIN
        + " --params {params.slice:q} --experiment {wildcards.experiment} --seed {wildcards.seed}"
        " --index {input.index:q} --cache {input.cache:q} --weights {input.weights:q} --out {output:q} --log {log:q}"
        + ON_MACHINE


rule finetune_scores:
    input:
        features=features_of(".finetune"),
        code=code("finetune_scores.py"),
    output:
        "data/results/{experiment}/{seed}/{dataset}/finetune.json",
    log:
        "logs/finetune_scores/{experiment}-{seed}-{dataset}.log",
    benchmark:
        "logs/finetune_scores/{experiment}-{seed}-{dataset}.tsv"
    threads: P["threads"]
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        slice=fixed(parameters.task_slice(P, "finetune")),
    shell:
        SCORE


rule progress:
    input:
        index=rules.index.output,
        cache=lambda wildcards: cached(wildcards.modality, wildcards.dataset),
        snapshots=weights("{experiment}", "{phase}", ".snapshots.safetensors"),
        code=code("progress.py"),
    output:
        "data/progress/{experiment}/{seed}/{dataset}/{modality}.{phase}.json",
    log:
        "logs/progress/{experiment}-{seed}-{modality}-{phase}-{dataset}.log",
    benchmark:
        "logs/progress/{experiment}-{seed}-{modality}-{phase}-{dataset}.tsv"
    threads: P["threads"]
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        slice=slice_of(parameters.progress_slice, "modality"),
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --experiment {wildcards.experiment} --seed {wildcards.seed}"
        " --modality {wildcards.modality} --phase {wildcards.phase} --dataset {wildcards.dataset}"
        " --index {input.index:q} --cache {input.cache:q} --snapshots {input.snapshots:q} --out {output:q} --log {log:q}"


# The targets that dvc.yaml calls: all that is measured of one experiment.

for experiment in [*BASELINES, *P["all"]]:

    rule:
        name:
            f"evaluate_{experiment}"
        input:
            results(experiment, P["seed"], tasks_of(experiment)),
