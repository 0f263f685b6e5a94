# in:  data/index, data/cache, data/models (training curves, weights), data/features, data/results
# out: data/report/index.html             the page of the run; over all seeds seeds.html
#      data/report/index.json             its headlines, for `dvc metrics`;  index-losses.csv  its curves, for `dvc plots`
#      data/report/{target}.html and .json  what params.targets compares, with the paper's numbers

MADE = recipes.with_starts(P, P["all"])  # the experiments of `all`
MEASURABLE = [paths.measurable(dataset) for dataset in run_plan.checked_datasets(P)]
INDEX = paths.index(DATASET)
ONCE += MEASURABLE


def histories(seeds, trainings):
    """The curves of trainings, each once."""
    return [
        paths.history(training.experiment, training.name, seed)
        for seed in seeds
        for training in dict.fromkeys(trainings)
    ]


def beside(curves):
    """The weights of trainings: where they came from is read of them, and where they are active."""
    return [str(Path(path).with_suffix(".safetensors")) for path in curves]


def trained(experiments):
    """All that `experiments` train."""
    return [
        training
        for experiment in experiments
        for training in recipes.trainings(P, experiment)
    ]


def gallery():
    """The features that the page's neighbours and maps are drawn from: those of the experiments, for the first seed, with labels or without."""
    return [
        path
        for experiment in P["all"]
        for path in features_of(experiment, P["seed"], DATASET)
    ]


for name, page, seeds_shown in (
    ("report", "index", [P["seed"]]),
    ("report_seeds", "seeds", P["seeds"]),
):

    rule:
        name:
            name
        input:
            index=INDEX,
            about=paths.index_about(DATASET),
            measurable=MEASURABLE,
            cache=[
                path
                for cached in run_plan.cached_modalities(P, DATASET)
                for path in shards(cached, DATASET)
            ],
            results=[
                path
                for seed in seeds_shown
                for experiment in [*BASELINES, *P["all"]]
                for path in results(experiment, seed, run_plan.tasks_of(P, experiment))
            ],
            histories=histories(seeds_shown, trained(MADE)),
            weights=beside(histories(seeds_shown, trained(MADE))),
            features=gallery(),
            code=depends(
                "report.py", lambda wildcards: registry.drawn(slices.report(P))
            ),
        output:
            page=report(
                f"data/report/{page}.html",
                category="the run",
                labels={"page": "results" if name == "report" else "all seeds"},
            ),
            numbers=f"data/report/{page}.json",
            curves=f"data/report/{page}-losses.csv",
        log:
            f"logs/{name}/report.log",
        benchmark:
            f"logs/{name}/report.tsv"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            slice=as_json(lambda wildcards: slices.report(P)),
            cache=lambda wildcards, input: paths.in_short(input.cache),
        message:
            "write the page of the run"
        shell:
            "python {input.code[0]:q} --params {params.slice:q} --index {input.index:q} --cache {params.cache:q}"
            " --results {input.results:q} --histories {input.histories:q} --features {input.features:q} --numbers {output.numbers:q}"
            " --curves {output.curves:q} --out {output.page:q} --log {log:q}"


def compared(target, kind):
    """The files behind a target: its `results`, the `progress` along its trainings, or their curves."""
    chosen = P["targets"][target]
    chains = dict.fromkeys(
        training
        for experiment in chosen["experiments"]
        for stream in chosen["streams"]
        for training in recipes.chain(P, experiment, stream)
    )
    if kind == "histories":
        return histories(P["seeds"], chains) if chosen["show"] != "results" else []
    if kind == "progress":
        return [
            paths.progress(training.experiment, training.name, DATASET, seed)
            for seed in (P["seeds"] if chosen["show"] == "progress" else [])
            for training in chains
            if recipes.epochs(P, training)
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
            about=paths.index_about(DATASET),
            measurable=MEASURABLE,
            results=compared(target, "results"),
            progress=compared(target, "progress"),
            histories=compared(target, "histories"),
            weights=beside(compared(target, "histories")),
            code=depends(
                "compare.py",
                lambda wildcards, target=target: registry.shown(
                    slices.compare(P, target)
                ),
            ),
        output:
            data=f"data/report/{target}.json",
            page=report(
                f"data/report/{target}.html",
                category="what the paper compares",
                labels={"page": target},
            ),
        log:
            f"logs/compare/{target}.log",
        benchmark:
            f"logs/compare/{target}.tsv"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            slice=as_json(lambda wildcards, target=target: slices.compare(P, target)),
            target=target,
        message:
            f"compare what {target} names"
        shell:
            "python {input.code[0]:q} --params {params.slice:q} --target {params.target:q} --index {input.index:q}"
            " --results {input.results:q} --progress {input.progress:q} --histories {input.histories:q} --out {output:q} --log {log:q}"

    rule:
        name:
            target
        input:
            f"data/report/{target}.html",
        localrule: True
        message:
            f"{target} is made"
