# in:  the dataset that params.yaml names
# out: data/raw/{dataset}/  files as obtained, or data/raw/{dataset}.json for a copy that the user has;  data/index/{dataset}.csv  one row per video


def copy_of_the_user():
    """Names, sizes and times of the user's own files, so that a change in them is noticed."""
    return "" if DATASET == "toy" else parameters.fingerprint(*parameters.brought(P))


rule download:
    input:
        code=code("download.py"),
    output:
        directory("data/raw/toy") if DATASET == "toy" else f"data/raw/{DATASET}.json",  # never the user's own folder
    log:
        f"logs/download/{DATASET}.log",
    benchmark:
        f"logs/download/{DATASET}.tsv"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        slice=slice_of(parameters.dataset_slice),
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --out {output:q} --processes {threads} --log {log:q}"


rule index:
    input:
        raw=rules.download.output,
        code=code("index.py"),
    output:
        f"data/index/{DATASET}.csv",
    log:
        f"logs/index/{DATASET}.log",
    benchmark:
        f"logs/index/{DATASET}.tsv"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        slice=slice_of(parameters.index_slice),
        files=copy_of_the_user(),
    shell:
        "python {input.code[0]:q} --params {params.slice:q} --out {output:q} --processes {threads} --log {log:q}"
