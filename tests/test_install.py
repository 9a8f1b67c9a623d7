"""The package as it is built and installed: the layers alone need torch, numpy and llvmlite."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from liafseq.tasks import NEEDED

ROOT = Path(__file__).parent.parent
BASE = {"torch", "numpy", "llvmlite"}
OFFLINE = ("--quiet", "--no-index", "--no-deps", "--disable-pip-version-check")

TRAIN = """
import sys, torch, liafseq
from liafseq import LIAF, cost, ops, replace_rnn

torch.manual_seed(0)
layer, head = LIAF(4, 16, batch_first=True, gated=True), torch.nn.Linear(16, 1)
x = torch.randn(32, 10, 4)
target = x.mean((1, 2), keepdim=True)[:, 0]
optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02)
losses = []
for _ in range(60):
    loss = torch.nn.functional.mse_loss(head(layer(x)[0][:, -1]), target)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    losses.append(loss.item())
assert losses[-1] < losses[0] / 4, losses
model = torch.nn.ModuleDict({"rnn": torch.nn.GRU(4, 8)})
replace_rnn(model, "liaf")
assert type(model["rnn"]) is LIAF
assert cost(layer, x, samples=32).macs > 0
for name in liafseq.__all__:
    getattr(liafseq, name)
liafseq.ConvLIF(2, 3, 3)(torch.randn(5, 1, 2, 6, 6))[0].sum().backward()
assert liafseq.__file__.startswith(sys.argv[1]), liafseq.__file__
print("compiled" if "llvmlite" in sys.modules else "torch")
"""


def requirements(extra: str) -> set[str]:
    """The packages that an extra, or "" for none, names."""
    own = map(Requirement, metadata.requires("liafseq") or ())
    return {
        canonicalize_name(one.name)
        for one in own
        if (f"extra == '{extra}'" if extra else "").replace("'", '"') in str(one.marker or "")
        and (bool(extra) or one.marker is None)
        and (one.marker is None or one.marker.evaluate({"extra": extra}))
    }


def test_the_layers_need_three_packages() -> None:
    assert requirements("") == BASE


def test_the_modules_that_are_looked_for_are_of_the_extra() -> None:
    packages, extra = metadata.packages_distributions(), requirements("study")
    # other packages may bring a module too, as lightning brings lightning_fabric
    other = [name for name in NEEDED if not extra & set(map(canonicalize_name, packages[name]))]
    assert other == []


def test_without_a_package_of_the_extra_one_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['scipy'] = None\n"
        "import importlib.util as util; found = util.find_spec\n"
        "util.find_spec = lambda name: None if name == 'scipy' else found(name)\n"
        "from liafseq.cli.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "liafseq: the tasks and the command line need the extra 'study': pip install 'liafseq[study]' "
        "(missing: scipy)\n"
    )


def call(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, timeout=300, **options
    )  # type: ignore[call-overload]


def built(source: Path, folder: Path) -> Path:
    """The wheel of a folder or an sdist."""
    done = call(sys.executable, "-m", "pip", "wheel", *OFFLINE, "--no-build-isolation", "-w", folder, source)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def closure(names: set[str]) -> Iterator[metadata.Distribution]:
    """Packages and what they need in turn."""
    left, seen = [*names], set()
    while left:
        name = canonicalize_name(left.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # of another platform
            continue
        yield found
        needed = [Requirement(text) for text in found.requires or ()]
        left += [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The wheel, the sdist, the sdist's wheel, and an environment with the first, torch, numpy, llvmlite."""
    folder = tmp_path_factory.mktemp("built")
    listed = call("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    if listed.returncode:
        pytest.skip("needs a git checkout: which files are the package's")
    source = folder / "source"
    for name in listed.stdout.split():  # a copy, so that building leaves nothing in the repository
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    code = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    done = call(sys.executable, "-c", code, folder, cwd=source)
    assert done.returncode == 0, done.stderr
    (sdist,) = folder.glob("*.tar.gz")
    wheel = built(source, folder / "wheel")
    again = built(sdist, folder / "again")

    environment = folder / "environment"
    venv.create(environment)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    site = Path(call(python, "-c", "import site; print(site.getsitepackages()[-1])").stdout.strip())
    for package in closure(BASE):
        for top in {
            file.parts[0] for file in package.files or () if file.parts[0] not in ("..", "__pycache__")
        }:
            if not (site / top).exists():
                (site / top).symlink_to(
                    Path(str(package.locate_file(top))), (package.locate_file(top)).is_dir()
                )
    done = call(sys.executable, "-m", "pip", "--python", python, "install", *OFFLINE, wheel)
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(wheel=wheel, sdist=sdist, again=again, python=python, site=site, folder=folder)


@pytest.mark.exhaustive
def test_wheel_and_sdist_hold_the_same_files(made: SimpleNamespace) -> None:
    wheel, again = (zipfile.ZipFile(path).namelist() for path in (made.wheel, made.again))
    assert sorted(wheel) == sorted(again)
    assert {name.partition("/")[0] for name in wheel} == {"liafseq", "liafseq-0.1.0.dist-info"}
    for name in ("py.typed", "tasks/study/suite.toml", "tasks/report/templates/report.css", "cli/main.py"):
        assert f"liafseq/{name}" in wheel
    ours = {
        re.sub(r"^(tasks|cli)/", r"liafseq/\1/", path.relative_to(ROOT).as_posix())
        for folder in ("liafseq", "tasks", "cli")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {name for name in wheel if name.endswith(".py")} == ours
    with tarfile.open(made.sdist) as archive:
        assert {"LICENSE", "README.md", "pyproject.toml"} <= {Path(name).name for name in archive.getnames()}


@pytest.mark.exhaustive
def test_a_layer_trains_with_torch_numpy_and_llvmlite_alone(made: SimpleNamespace) -> None:
    listed = call(made.python, "-c", "import pydantic", cwd=made.folder)
    assert "No module named 'pydantic'" in listed.stderr
    done = call(made.python, "-c", TRAIN, made.site, cwd=made.folder)
    assert (done.returncode, done.stdout) == (0, "compiled\n"), done.stderr
    (made.site / "llvmlite").unlink()
    done = call(made.python, "-c", TRAIN, made.site, cwd=made.folder)
    assert (done.returncode, done.stdout) == (0, "torch\n"), done.stderr


@pytest.mark.exhaustive
def test_the_command_without_the_extra_says_what_to_install(made: SimpleNamespace) -> None:
    expected = "need the extra 'study': pip install 'liafseq[study]' (missing: "
    for words in ((made.python.with_name("liafseq"),), (made.python, "-m", "liafseq.cli", "train", "babi")):
        done = call(*words, cwd=made.folder)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert expected in line
    done = call(made.python, "-c", "import liafseq.tasks", cwd=made.folder)
    assert done.stderr.splitlines()[-1].startswith("ImportError: the tasks and the command line " + expected)
