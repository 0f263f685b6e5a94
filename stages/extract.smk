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
        f"data/cache/{DATASET}/rgb/{{shard}}.h5",
    log:
        f"logs/frames/{DATASET}-{{shard}}.log",
    benchmark:
        f"logs/frames/{DATASET}-{{shard}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        slice=json.dumps(parameters.cache_slice(P, "rgb")),
    shell:
        EXTRACT


rule flow:
    input:
        index=rules.index.output,
        code=code("flow.py"),
    output:
        f"data/cache/{DATASET}/flow/{{shard}}.h5",
    log:
        f"logs/flow/{DATASET}-{{shard}}.log",
    benchmark:
        f"logs/flow/{DATASET}-{{shard}}.tsv"
    priority: 20
    threads: 1
    resources:
        mem_mb=2000,
        runtime=720,
    params:
        slice=json.dumps(parameters.cache_slice(P, "flow")),
    shell:
        EXTRACT


rule skeleton:
    input:
        index=rules.index.output,
        code=code("skeleton.py"),
    output:
        f"data/cache/{DATASET}/joint/{{shard}}.h5",
    log:
        f"logs/skeleton/{DATASET}-{{shard}}.log",
    benchmark:
        f"logs/skeleton/{DATASET}-{{shard}}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        slice=json.dumps(parameters.cache_slice(P, "joint")),
    shell:
        EXTRACT


# The targets that dvc.yaml calls: all shards of one modality.


rule all_frames:
    input:
        expand(rules.frames.output, shard=SHARDS)
        if "rgb" in parameters.sources(P)
        else [],


rule all_flow:
    input:
        expand(rules.flow.output, shard=SHARDS)
        if "flow" in parameters.sources(P)
        else [],


rule all_skeleton:
    input:
        expand(rules.skeleton.output, shard=SHARDS)
        if "joint" in parameters.sources(P)
        else [],
