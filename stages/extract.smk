# in:  data/index/{dataset}.csv and the files it names
# out: data/cache/{dataset}/{rgb|flow|joint}/{shard}.h5  (docs/data-contract.md)


EXTRACT = (
    "python {input.code[0]:q} --params {params.slice:q} --index {input.index:q} --shard {wildcards.shard}"
    " --out {output:q} --processes {threads} --log {log:q}"
)


rule frames:
    input:
        index=rules.index.output,
        code=code("frames.py"),
    output:
        "data/cache/{dataset}/rgb/{shard}.h5",
    log:
        "logs/frames/{dataset}-{shard}.log",
    benchmark:
        "logs/frames/{dataset}-{shard}.tsv"
    threads: 1
    resources:
        mem_mb=4000,  # a video whole
        runtime=120,
    params:
        slice=lambda wildcards: json.dumps(
            parameters.cache_slice(P, "rgb", wildcards.dataset)
        ),
    shell:
        EXTRACT


rule flow:
    input:
        index=rules.index.output,
        code=code("flow.py"),
    output:
        "data/cache/{dataset}/flow/{shard}.h5",
    log:
        "logs/flow/{dataset}-{shard}.log",
    benchmark:
        "logs/flow/{dataset}-{shard}.tsv"
    priority: 20
    threads: 1
    resources:
        mem_mb=4000,  # a video whole: grey frames, and flow in 8 bytes a pixel
        runtime=1440,  # a 64th of UCF101, or a 1024th of Kinetics-400, takes 2 to 5 hours with TV-L1
    params:
        slice=lambda wildcards: json.dumps(
            parameters.cache_slice(P, "flow", wildcards.dataset)
        ),
    shell:
        EXTRACT


if parameters.finds_people(P):

    rule pose:
        input:
            index=rules.index.output,
            code=code("pose.py"),
        output:
            "data/cache/{dataset}/joint/{shard}.h5",
        log:
            "logs/pose/{dataset}-{shard}.log",
        benchmark:
            "logs/pose/{dataset}-{shard}.tsv"
        # So many videos at once, each on one thread: joints do not depend on the number of processes. Jobs at once share a GPU, as
        # trainings do: one whose memory is too small for that needs --cores 1.
        threads: 1
        resources:
            mem_mb=8000,  # the detector and a batch of 8 frames
            runtime=1440,  # on the CPU some 3 s a frame at 800 pixels: 25,000 frames
        params:
            slice=lambda wildcards: json.dumps(
                parameters.cache_slice(P, "joint", wildcards.dataset)
            ),
            weights=lambda wildcards: parameters.fingerprint(
                *parameters.pose_weights(P)
            ),
        shell:
            EXTRACT

else:

    rule skeleton:
        input:
            index=rules.index.output,
            code=code("skeleton.py"),
        output:
            "data/cache/{dataset}/joint/{shard}.h5",
        log:
            "logs/skeleton/{dataset}-{shard}.log",
        benchmark:
            "logs/skeleton/{dataset}-{shard}.tsv"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        params:
            slice=lambda wildcards: json.dumps(
                parameters.cache_slice(P, "joint", wildcards.dataset)
            ),
        shell:
            EXTRACT


# The targets that dvc.yaml calls: all shards of one modality of one dataset.

for dataset in DATASETS:
    for cached_as, kind in parameters.extractors(P).items():

        rule:
            name:
                f"all_{kind}" if dataset == DATASET else f"all_{kind}_{dataset}"
            input:
                shards(cached_as, dataset)
                if cached_as in parameters.sources(P, dataset)
                else [],
