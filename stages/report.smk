# in:  data/index, data/cache, data/models/**.json (training curves), data/features, data/results
# out: data/report/index.html              the page;  data/report/seeds.html  the same over all seeds
#      data/report/{target}.html and .json  what params.targets compares, with the paper's numbers

MADE = parameters.with_starts(P, P["all"])  # the experiments of `all`
MEASURABLE = expand(rules.measurable.output, dataset=parameters.measured_datasets(P))
INDEX = f"data/index/{DATASET}.csv"


def histories(seeds, trainings):
    """The training curves of (experiment, modality, phase), each once."""
    return [
        weights(experiment, phase, ".json").format(seed=seed, modality=modality)
        for seed in seeds
        for experiment, modality, phase in dict.fromkeys(trainings)
    ]


def trained(experiments):
    """All that `experiments` train, as (experiment, modality, phase)."""
    return [
        (experiment, modality, phase)
        for experiment in experiments
        for modality, phase in parameters.phases(P, experiment)
    ]


def gallery():
    """The features that the retrieval gallery is drawn from: those of the experiments, for the first seed."""
    return [
        f"data/features/{experiment}/{P['seed']}/{modality}/{DATASET}.h5"
        for experiment in (P["all"] if "retrieval" in TASKS else [])
        for modality in parameters.measured(P, experiment, DATASET)
    ]


for name, seeds_shown in (("report", [P["seed"]]), ("report_seeds", P["seeds"])):

    rule:
        name:
            name
        input:
            index=INDEX,
            measurable=MEASURABLE,
            cache=[
                path
                for source in parameters.sources(P, DATASET)
                for path in shards(source, DATASET)
            ],
            results=[
                path
                for seed in seeds_shown
                for experiment in [*BASELINES, *P["all"]]
                for path in results(experiment, seed, tasks_of(experiment))
            ],
            histories=histories(seeds_shown, trained(MADE)),
            features=gallery(),
            code=code("report.py"),
        output:
            "data/report/index.html" if name == "report" else "data/report/seeds.html",
        log:
            f"logs/{name}/report.log",
        benchmark:
            f"logs/{name}/report.tsv"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            slice=fixed(parameters.report_slice(P)),
        shell:
            "python {input.code[0]:q} --params {params.slice:q} --index {input.index:q} --cache {input.cache:q}"
            " --results {input.results:q} --histories {input.histories:q} --features {input.features:q} --out {output:q} --log {log:q}"


def compared(target, kind):
    """The files behind a target: its `results`, the `progress` along its trainings, or their training curves."""
    chosen = P["targets"][target]
    chains = dict.fromkeys(
        (owner, modality, phase)
        for experiment in chosen["experiments"]
        for modality in chosen["modalities"]
        for owner, phase in parameters.chain(P, experiment, modality)
    )
    if kind == "histories":
        return histories(P["seeds"], chains) if chosen["show"] != "results" else []
    if kind == "progress":
        return [
            f"data/progress/{owner}/{seed}/{DATASET}/{modality}.{phase}.json"
            for seed in (P["seeds"] if chosen["show"] == "progress" else [])
            for owner, modality, phase in chains
        ]
    shown = {"results": [*BASELINES, *chosen["experiments"]], "progress": ["untrained"]}
    return [
        path
        for seed in P["seeds"]
        for experiment in shown.get(chosen["show"], [])
        for path in results(experiment, seed, chosen["tasks"])
        if chosen["show"] == "results" or f"/{DATASET}/" in path
    ]


for target in P["targets"]:

    if target in (rule.name for rule in workflow.rules):
        refuse(
            InputError(
                f"params.yaml: targets.{target} has the name of a rule; choose another"
            )
        )

    rule:
        name:
            f"compare_{target}"
        input:
            index=INDEX,
            measurable=MEASURABLE,
            results=compared(target, "results"),
            progress=compared(target, "progress"),
            histories=compared(target, "histories"),
            code=code("compare.py"),
        output:
            data=f"data/report/{target}.json",
            page=f"data/report/{target}.html",
        log:
            f"logs/compare/{target}.log",
        benchmark:
            f"logs/compare/{target}.tsv"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            slice=fixed(parameters.compare_slice(P, target)),
            target=target,
        shell:
            "python {input.code[0]:q} --params {params.slice:q} --target {params.target:q} --index {input.index:q}"
            " --results {input.results:q} --progress {input.progress:q} --histories {input.histories:q} --out {output:q} --log {log:q}"

    rule:
        name:
            target
        input:
            f"data/report/{target}.html",
        localrule: True
