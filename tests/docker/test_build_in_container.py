"""`sam build --use-container` gives what `sam build` gives, to the last byte.

Both build one copy of the sources, the one on this machine, the other in a container.  The layer is
built by its Makefile, which can lean on what only this machine has; here it would be noticed.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from sam_harness import IMAGE_SECONDS_MAX, MACHINES, ROOT, Checkout, sam_environment

pytestmark = pytest.mark.docker

IMAGE = "patchmedic/sam-build-python3.13:x86_64"
SOURCES = ("template.yaml", "samconfig.toml", "alarms", "documents", "functions", "layers")
NOT_SOURCES = shutil.ignore_patterns(
    "__pycache__", ".*_cache", "*.egg-info", ".host-site", "catalogue.json"
)
BUILD_SECONDS_MAX = 600
CARRIED_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout")
"""Of pip's settings on this machine, those that tell the road to the index; paths mean nothing in
a container, and the image trusts the same certificate authorities already."""


@pytest.fixture(scope="module")
def build_image(base_image: str) -> str:
    """The name of the image to build in, which is here from now on: found, pulled or made."""
    machine = MACHINES.get(platform.machine().lower())
    if machine != "x86_64":
        pytest.skip(f"the layer is built for x86_64, and containers here are {machine}")
    done = subprocess.run(
        [str(ROOT / "scripts" / "build-image.sh"), "--pull-or-build"],
        capture_output=True, text=True, timeout=IMAGE_SECONDS_MAX, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        pytest.skip(f"there is no image to build in: {said[-1]}")
    return IMAGE


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that nobody edits between the two builds."""
    copy = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=NOT_SOURCES)
        else:
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def built_here(checkout: Checkout, sources: Path) -> Path:
    sam_build(checkout, sources, "here")
    return sources / "here" / "build"


@pytest.fixture(scope="module")
def built_in_container(checkout: Checkout, sources: Path, build_image: str) -> Path:
    settings = sources / "pip.json"
    # A file, since an index may have a password in its address, and arguments are there to be read.
    settings.write_text(json.dumps({"Parameters": pip_settings()}), encoding="utf-8")
    said = sam_build(
        checkout, sources, "in-container", "--use-container", "--skip-pull-image",
        "--build-image", build_image, "--container-env-var-file", str(settings),
    )  # fmt: skip
    assert "Starting Build inside a container" in said
    assert "/tmp/samcli/artifacts/python" in said, f"the layer was not built in there:\n{said}"
    return sources / "in-container" / "build"


def sam_build(checkout: Checkout, sources: Path, name: str, *options: str) -> str:
    environment = sam_environment({})
    # The Makefile asks for python3, and any from 3.11 on will do: this one does.
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    done = subprocess.run(
        [str(checkout.sam), "build", "--config-env", "local", "--no-cached",
         "--build-dir", str(sources / name / "build"), *options],
        cwd=sources, env=environment, capture_output=True, text=True,
        timeout=BUILD_SECONDS_MAX, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def pip_settings() -> dict[str, str]:
    """How pip on this machine reaches its index, as environment variables."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found: dict[str, str] = {}
    # The environment, `:env:`, comes first in the list and counts for more than any file.
    for line in reversed(listed.stdout.splitlines()):
        key, _, value = line.partition("=")
        section, _, option = key.partition(".")
        if section in {":env:", "global"} and option in CARRIED_SETTINGS:
            name = "PIP_" + option.upper().replace("-", "_")
            found[name] = " ".join(ast.literal_eval(value).split())
    return found


def contents(built: Path) -> Mapping[str, str]:
    """Path -> what kind of file it is, may it be run, and its checksum."""
    return {
        path.relative_to(built).as_posix(): f"{path.lstat().st_mode:o} "
        + hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(built.rglob("*"))
        if not path.is_dir()
    }


def test_the_container_builds_the_same_files(built_here: Path, built_in_container: Path) -> None:
    assert contents(built_in_container) == contents(built_here)


def test_lambdas_python_loads_what_the_container_built(
    base_image: str, built_in_container: Path
) -> None:
    layer = built_in_container / "LibraryLayer"
    assert (layer / "python" / "patchmedic" / "causes" / "catalogue.json").stat().st_size > 0
    done = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", "--volume", f"{layer}:/opt:ro",
         "--env", "PYTHONDONTWRITEBYTECODE=1", "--env", "PYTHONPATH=/opt/python:/var/runtime",
         "--entrypoint", "python3.13", base_image, "-c",
         "import aws_lambda_powertools, msgspec, patchmedic.stages.classify, re2; "
         "print(re2.fullmatch('a+', 'aa').group(), patchmedic.__file__)"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["aa", "/opt/python/patchmedic/__init__.py"]


def test_the_layers_packages_list_only_what_is_there(built_in_container: Path) -> None:
    layer = built_in_container / "LibraryLayer" / "python"
    records = list(layer.glob("*.dist-info/RECORD"))
    assert records
    for record in records:
        with record.open(encoding="utf-8", newline="") as file:
            missing = [row[0] for row in csv.reader(file) if not (layer / row[0]).exists()]
        assert missing == [], record.parent.name
