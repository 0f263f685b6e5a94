"""`snakemake -n`, which says of each job its rule, inputs and outputs in place of its message: for tests, called with the same arguments."""

import sys

from snakemake import cli
from snakemake.logging import DefaultFormatter

DefaultFormatter.format_job_info = lambda self, job: "\n".join(self._format_job_info(job))  # type: ignore[method-assign]
cli.main([*sys.argv[1:], "-n"])
