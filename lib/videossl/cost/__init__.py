"""The cost of a run, before it starts: its jobs from Snakemake, their work from the params, the rates from this machine.

`pending_jobs` asks Snakemake for the jobs. `video_counts` counts the videos. `work` says what a job computes and writes.
`trial_videos` makes videos to measure on. `measure` times one piece of each kind of work on this machine. `table` adds up.
No dataset, modality, encoder, method or task is named here. Each declares what it needs, and its jobs' own code is timed.
"""
