# in:  data/index, data/cache, data/models
# out: data/features/{experiment}/{seed}/{modality}/{dataset}.h5           what an encoder makes of every video
#      data/features/{experiment}/{seed}/{modality}/{dataset}.finetune.h5  class probabilities after finetuning
#      data/results/{experiment}/{seed}/{dataset}/{task}.json              numbers

TASKS = P["evaluate"]["tasks"]
FINETUNED = [*P["evaluate"]["finetune"], "untrained"]


def modalities_of(experiment):
    """The modalities that an experiment is measured on; the baselines on all."""
    return (
        list(P["modalities"])
        if experiment in BASELINES
        else P["experiments"][experiment]["modalities"]
    )


def final_weights(wildcards):
    """The weights that are measured; none for the untrained encoder and the hand-made feature."""
    if wildcards.experiment in BASELINES:
        return []
    phase = parameters.last_phase(P, wildcards.experiment, wildcards.modality)
    return weights(wildcards.experiment, phase).format(
        seed=wildcards.seed, modality=wildcards.modality
    )


def features_of(suffix):
    """One file of features a modality of the experiment."""
    path = f"data/features/{{experiment}}/{{seed}}/{{modality}}/{DATASET}{suffix}.h5"
    return lambda wildcards: expand(
        path, modality=modalities_of(wildcards.experiment), **wildcards
    )


def results(experiment, seed):
    """The result files of an experiment and seed."""
    tasks = [task for task in TASKS if task != "finetune" or experiment in FINETUNED]
    return [f"data/results/{experiment}/{seed}/{DATASET}/{task}.json" for task in tasks]


SCORE = (
    "python {input.code[0]:q} --params {params.slice:q} --experiment {wildcards.experiment} --seed {wildcards.seed}"
    f" --dataset {DATASET}"
    " --features {input.features:q} --out {output:q} --log {log:q}"
)


rule measurable:
    input:
        index=rules.index.output,
        code=code("measurable.py"),
    output:
        f"data/index/{DATASET}.measurable.json",
    log:
        f"logs/measurable/{DATASET}.log",
    benchmark:
        f"logs/measurable/{DATASET}.tsv"
    priority: 100
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        slice=json.dumps(parameters.measurable_slice(P)),
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --index {input.index:q} --out {output:q} --log {log:q}"


rule features:
    input:
        index=rules.index.output,
        cache=lambda wildcards: cached(wildcards.modality),
        weights=final_weights,
        code=code("features.py"),
    output:
        f"data/features/{{experiment}}/{{seed}}/{{modality}}/{DATASET}.h5",
    log:
        "logs/features/{experiment}-{seed}-{modality}.log",
    benchmark:
        "logs/features/{experiment}-{seed}-{modality}.tsv"
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
        f"data/results/{{experiment}}/{{seed}}/{DATASET}/retrieval.json",
    log:
        "logs/retrieval/{experiment}-{seed}.log",
    benchmark:
        "logs/retrieval/{experiment}-{seed}.tsv"
    threads: P["threads"]
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        slice=json.dumps(parameters.task_slice(P, "retrieval")),
    shell:
        SCORE


rule linear:
    input:
        features=features_of(""),
        code=code("linear.py"),
    output:
        f"data/results/{{experiment}}/{{seed}}/{DATASET}/linear.json",
    log:
        "logs/linear/{experiment}-{seed}.log",
    benchmark:
        "logs/linear/{experiment}-{seed}.tsv"
    threads: P["threads"]
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        slice=json.dumps(parameters.task_slice(P, "linear")),
    shell:
        SCORE


rule finetune:
    input:
        index=rules.index.output,
        cache=lambda wildcards: cached(wildcards.modality),
        weights=final_weights,
        code=code("finetune.py"),
    output:
        f"data/features/{{experiment}}/{{seed}}/{{modality}}/{DATASET}.finetune.h5",
    log:
        "logs/finetune/{experiment}-{seed}-{modality}.log",
    benchmark:
        "logs/finetune/{experiment}-{seed}-{modality}.tsv"
    threads: P["threads"]
    resources:
        mem_mb=8000,
        runtime=2880,
    params:
        slice=slice_of(parameters.finetune_slice, "modality"),
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --experiment {wildcards.experiment} --seed {wildcards.seed}"
        " --index {input.index:q} --cache {input.cache:q} --weights {input.weights:q} --out {output:q} --log {log:q}"


rule finetune_scores:
    input:
        features=features_of(".finetune"),
        code=code("finetune_scores.py"),
    output:
        f"data/results/{{experiment}}/{{seed}}/{DATASET}/finetune.json",
    log:
        "logs/finetune_scores/{experiment}-{seed}.log",
    benchmark:
        "logs/finetune_scores/{experiment}-{seed}.tsv"
    threads: P["threads"]
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        slice=json.dumps(parameters.task_slice(P, "finetune")),
    shell:
        SCORE


# The targets that dvc.yaml calls: all that is measured of one experiment.

for experiment in [*BASELINES, *EXPERIMENTS]:

    rule:
        name:
            f"evaluate_{experiment}"
        input:
            results(experiment, P["seed"]),
