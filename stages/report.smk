# in:  data/index, data/cache, data/models/**.json (training curves), data/features, data/results
# out: data/report/index.html  the page;  data/report/seeds.html  the same over all seeds


def histories(seed):
    """The training curves of every experiment."""
    return [
        weights(experiment, phase)
        .format(seed=seed, modality=modality)
        .replace(".safetensors", ".json")
        for experiment in EXPERIMENTS
        for modality, phase in parameters.phases(P, experiment)
    ]


def gallery():
    """The features that the retrieval gallery is drawn from: those of the experiments, for the first seed."""
    return [
        f"data/features/{experiment}/{P['seed']}/{modality}/{DATASET}.h5"
        for experiment in (EXPERIMENTS if "retrieval" in TASKS else [])
        for modality in modalities_of(experiment)
    ]


REPORT = (
    "python {input.code[0]:q} --params {params.slice:q} --index {input.index:q} --cache {input.cache:q}"
    " --results {input.results:q} --histories {input.histories:q} --features {input.features:q} --out {output:q} --log {log:q}"
)


for name, seeds_shown in (("report", [P["seed"]]), ("report_seeds", P["seeds"])):

    rule:
        name:
            name
        input:
            index=rules.index.output,
            measurable=rules.measurable.output,
            cache=[
                path
                for source in parameters.sources(P)
                for path in expand(
                    f"data/cache/{DATASET}/{source}/{{shard}}.h5", shard=SHARDS
                )
            ],
            results=[
                path
                for seed in seeds_shown
                for experiment in [*BASELINES, *EXPERIMENTS]
                for path in results(experiment, seed)
            ],
            histories=[path for seed in seeds_shown for path in histories(seed)],
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
            slice=json.dumps(P),
        shell:
            REPORT
