"""Finds the packages: tasks/ and cli/ are installed as liafseq.tasks and liafseq.cli; see pyproject.toml."""

from setuptools import find_packages, setup

inside = find_packages(include=["liafseq", "liafseq.*"])
beside = [f"liafseq.{name}" for name in find_packages(include=["tasks", "tasks.*", "cli", "cli.*"])]
# A set: where liafseq/ has links to tasks/ and cli/, for editors, they are found twice.
setup(packages=sorted({*inside, *beside}))
