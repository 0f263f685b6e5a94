# in:  data/index/{dataset}.csv and the files it names
# out: data/cache/{dataset}/{modality}/{shard}.h5, of each cached modality  (docs/data-contract.md)
#
# A rule for each cached modality of the run, by the name of its extractor. The modality says what the rule takes (lib/videossl/modalities).

for cached in run_plan.all_cached_modalities(P):
    extractor = run_plan.extractor(P, cached)

    rule:
        name:
            extractor["module"]
        input:
            index=rules.index.output.table,
            code=depends(
                "extract.py",
                lambda wildcards, cached=cached: run_plan.extraction_files(
                    P, cached, wildcards.dataset
                ),
            ),
        output:
            f"data/cache/{{dataset}}/{cached}/{{shard}}.h5",
        log:
            f"logs/{extractor['module']}/{{dataset}}-{{shard}}.log",
        benchmark:
            f"logs/{extractor['module']}/{{dataset}}-{{shard}}.tsv"
        priority: extractor.get("priority", 0)
        threads: 1
        resources:
            mem_mb=extractor["mem_mb"],
            runtime=extractor["runtime"],
        params:
            slice=as_json(
                lambda wildcards, cached=cached: slices.extraction(
                    P, cached, wildcards.dataset
                )
            ),
            weights=lambda wildcards, section=registry.declared(
                "modalities", cached
            ).get("section", {}).get("name"): run_plan.fingerprint(
                *(
                    path
                    for name, path in run_plan.brought_weights(P).items()
                    if name == section
                )
            ),
            source=cached,
            extractor=extractor["module"],
        message:
            f"cache {cached} of {{wildcards.dataset}}, shard {{wildcards.shard}}"
        shell:
            "python {input.code[0]:q} --params {params.slice:q} --source {params.source:q} --extractor {params.extractor:q}"
            " --index {input.index:q} --shard {wildcards.shard} --out {output:q} --processes {threads} --log {log:q}"


# The targets that dvc.yaml calls: all shards of one cached modality of one dataset.

for dataset in DATASETS:
    for cached in run_plan.cached_modalities(P, dataset):

        rule:
            name:
                f"all_{run_plan.extractor(P, cached)['module']}"
                + ("" if dataset == DATASET else f"_{dataset}")
            input:
                shards(cached, dataset),
            localrule: True
            message:
                f"all shards of {cached} of {dataset} are made"
            shell:
                ":"  # a job, so that what no job makes is put aside

        ONCE += shards(cached, dataset)
