"""What a run costs, before it starts: its jobs from Snakemake, their work from the params, the rates from this machine.

`plan` asks Snakemake which jobs there are; `census` counts the videos; `work` says what a job computes and writes;
`measure` times one piece of each kind of work here; `table` puts them together.
"""
