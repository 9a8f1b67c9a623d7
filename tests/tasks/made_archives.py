"""Archives that tests make."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path


def tar_of(path: Path, members, mode="w:gz"):
    with tarfile.open(path, mode) as file:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                file.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            file.addfile(info, io.BytesIO(content.encode()))
    return path


def zip_of(path: Path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path
