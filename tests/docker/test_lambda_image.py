"""The image that functions run in: AWS's own, or scripts/lambda-image.sh's in its place.

The same expectations hold for both, so that the stand-in cannot become easier to run in.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.docker

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "lambda-image.sh"


def python(image: str, code: str) -> str:
    done = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", "--entrypoint", "/bin/sh", image,
         "-c", 'PYTHONPATH=/var/runtime exec python3.13 -c "$0"', code],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_has_lambdas_python_and_runtime(base_image: str) -> None:
    code = "import sys, awslambdaric, boto3, ssl, zoneinfo; print(*sys.version_info[:2])"
    assert python(base_image, code) == "3 13"


def test_it_has_nothing_of_ours_to_lean_on(base_image: str) -> None:
    code = "import importlib.util as u; print(u.find_spec('patchmedic'), u.find_spec('re2'))"
    assert python(base_image, code) == "None None"


def test_its_places_are_lambdas(base_image: str) -> None:
    code = "import os; print(os.getcwd(), os.environ['LAMBDA_TASK_ROOT'], os.path.isdir('/opt'))"
    assert python(base_image, code) == "/var/task /var/task True"
    assert (
        python(base_image, "import os; print(os.access('/var/runtime/bootstrap', os.X_OK))")
        == "True"
    )


@pytest.mark.parametrize("arguments", [[], ["app.handler", "one.too.many"]])
def test_its_entrypoint_wants_one_handler(base_image: str, arguments: list[str]) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", base_image, *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 142, done.stderr


def test_building_it_again_builds_nothing(base_image: str) -> None:
    done = subprocess.run([str(SCRIPT)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "is up to date" in done.stdout or "is not ours" in done.stdout


def test_an_unknown_option_is_refused() -> None:
    done = subprocess.run(
        [str(SCRIPT), "--farce"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "unknown option '--farce'" in done.stderr
