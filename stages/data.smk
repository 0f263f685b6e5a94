# in:  the datasets that params.yaml names
# out: data/raw/{dataset}/       what is rendered or downloaded; a copy that the user has stays where it is
#      data/raw/{dataset}.json   what was obtained, or checked
#      data/index/{dataset}.csv  one row per video; .json beside it, what it was made from


def raw(dataset):
    """What `download` declares of a dataset: never the user's own folder, nor one that a download cut short goes on in."""
    return paths.raw(dataset, run_plan.is_rendered(dataset))


def copy_of_the_user(wildcards):
    """Names, sizes and times of the user's own files, so that a change in them is noticed."""
    return run_plan.fingerprint(*run_plan.brought(P, wildcards.dataset))


def module_of(name):
    """The files of a dataset, for whatever wildcards."""
    return lambda wildcards: registry.files("datasets", name)


for dataset in DATASETS:

    rule:
        name:
            "download" if dataset == DATASET else f"download_{dataset}"
        input:
            code=depends("download.py", module_of(dataset)),
        output:
            directory(raw(dataset)) if run_plan.is_rendered(dataset) else raw(dataset),
        log:
            f"logs/download/{dataset}.log",
        benchmark:
            f"logs/download/{dataset}.tsv"
        threads: 2
        resources:
            mem_mb=2000,
            runtime=1440,  # 7 GB of UCF101 at 0.1 MB/s; one that is cut short goes on
        params:
            slice=as_json(lambda wildcards, dataset=dataset: slices.dataset(P, dataset)),
        message:
            f"obtain or check the files of {dataset}"
        shell:
            "python {input.code[0]:q} --params {params.slice:q} --out {output:q} --processes {threads} --log {log:q}"

    ONCE += [raw(dataset), paths.index(dataset), paths.index_about(dataset)]


rule index:
    input:
        raw=lambda wildcards: raw(wildcards.dataset),
        code=depends(
            "index.py", lambda wildcards: registry.files("datasets", wildcards.dataset)
        ),
    output:
        table=paths.index("{dataset}"),
        about=paths.index_about("{dataset}"),
    log:
        "logs/index/{dataset}.log",
    benchmark:
        "logs/index/{dataset}.tsv"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=1440,  # Kinetics-400; one that is cut short goes on
    params:
        slice=as_json(lambda wildcards: slices.index(P, wildcards.dataset)),
        files=copy_of_the_user,
    message:
        "list the videos of {wildcards.dataset}"
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --out {output.table:q} --processes {threads} --log {log:q}"
