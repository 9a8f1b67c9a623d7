"""The first ten minutes on a GPU: what no interpreter can tell of the Triton kernels, in one script.

``python -m liafseq.tasks.bench.gpu`` runs the parts of ``parts`` and writes what they find as JSON and as
Markdown; ``--dry-run`` prints what would be run.
"""
