"""The params of a run, params.yaml.

load: read, filled and checked. schema: the keys and their values. cross_checks: the rules between keys. recipes: experiments and their
trainings. run_plan: datasets, caches and measurements that a run needs. slices: the part of the params that each job gets. preflight:
looks at the files of a run before anything starts.
"""
