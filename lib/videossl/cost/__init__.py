"""The cost of a run, before it starts: its jobs from Snakemake, their work from the params, the rates from this machine.

`plan` asks Snakemake which jobs there are; `census` counts the videos; `work` says what a job computes and writes; `film` has videos
to measure on, and `measure` times one piece of each kind of work here; `table` puts them together. No dataset, modality, encoder,
method or task is named here: each is asked for what it declares, and measured by what its jobs call.
"""
