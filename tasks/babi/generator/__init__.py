"""Stories of the 20 bAbI tasks in the language of the published data set, from a seed.

Weston et al. 2015, arXiv:1502.05698. What the sentences are, how people act, what is asked and how
the supporting facts are ordered was measured on bAbI v1.2; no text and no code was taken over.
"""

from liafseq.tasks.babi.generator.by_task import generate, lines, split_seed, write_task
from liafseq.tasks.babi.generator.options import LIMITS, PUBLISHED, GeneratorOptions

__all__ = ["LIMITS", "PUBLISHED", "GeneratorOptions", "generate", "lines", "split_seed", "write_task"]
