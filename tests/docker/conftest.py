"""Fixtures of the tests that need Docker; each skips with its reason where no engine answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sam_harness import (
    BASE_IMAGE,
    BUILT_TEMPLATE,
    IMAGE_SECONDS_MAX,
    INVOKE_SECONDS_MAX,
    ROOT,
    Checkout,
    Invocation,
    Invoke,
    Relay,
    bridge_address,
    sam_environment,
    with_endpoint,
)

from patchmedic.cli.cloud import REGION, STACK, LocalCloud


@pytest.fixture(scope="session")
def docker_bridge() -> str:
    """The address of this machine on Docker's bridge; skips where there is no engine."""
    if shutil.which("docker") is None:
        pytest.skip("no docker command here")
    address = bridge_address()
    if address is None:
        pytest.skip("no Docker engine answers")
    return address


@pytest.fixture(scope="session")
def base_image(docker_bridge: str) -> str:
    """The name of Lambda's base image, which is here from now on: found, pulled or built."""
    done = subprocess.run(
        [str(ROOT / "scripts" / "lambda-image.sh"), "--pull-or-build"],
        capture_output=True, text=True, timeout=IMAGE_SECONDS_MAX, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.fail(f"there is no image to run functions in:\n{done.stdout}{done.stderr}")
    return BASE_IMAGE


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(ROOT, tmp_path_factory.mktemp("cloud"))


@pytest.fixture(scope="session")
def cloud(docker_bridge: str, checkout: Checkout) -> Iterator[LocalCloud]:
    """The local cloud with the nodes of the story, and the stack deployed into it."""
    with LocalCloud(checkout, [ROOT / "local" / "scenarios" / "story.yaml"]) as cloud:
        cloud.build(print)
        cloud.deploy(print)
        yield cloud


@pytest.fixture(scope="session")
def endpoint(docker_bridge: str, cloud: LocalCloud) -> Iterator[str]:
    """The local cloud's address as a container sees it."""
    try:
        relay = Relay(docker_bridge, cloud.port)
    except OSError:
        # Docker Desktop: the bridge is in its virtual machine, which has a name for our loopback.
        yield f"http://host.docker.internal:{cloud.port}"
        return
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    try:
        yield f"http://{docker_bridge}:{relay.server_address[1]}"
    finally:
        relay.shutdown()
        relay.server_close()


@pytest.fixture(scope="session")
def function_environments(cloud: LocalCloud) -> Mapping[str, Mapping[str, str]]:
    """Logical id -> the variables that the function has where the stack is deployed."""
    resources = cloud.client("cloudformation").describe_stack_resources(StackName=STACK)
    functions = cloud.client("lambda")
    return {
        resource["LogicalResourceId"]: functions.get_function_configuration(
            FunctionName=resource["PhysicalResourceId"]
        )["Environment"]["Variables"]
        for resource in resources["StackResources"]
        if resource["ResourceType"] == "AWS::Lambda::Function"
    }


@pytest.fixture(scope="session")
def invoke(
    tmp_path_factory: pytest.TempPathFactory,
    base_image: str,
    checkout: Checkout,
    cloud: LocalCloud,
    function_environments: Mapping[str, Mapping[str, str]],
    endpoint: str,
) -> Invoke:
    """Run one function on one event in its container, as a user would."""
    work = tmp_path_factory.mktemp("invoke")
    template = work / "template.yaml"
    template.write_text(with_endpoint(BUILT_TEMPLATE, endpoint), encoding="utf-8")
    variables = work / "env.json"
    with variables.open("w", encoding="utf-8") as file:
        json.dump(
            {
                name: {**values, "AWS_ENDPOINT_URL": endpoint}
                for name, values in function_environments.items()
            },
            file,
        )

    def run(function: str, event: Path) -> Invocation:
        command = [
            str(checkout.sam), "local", "invoke", function,
            "--event", str(event), "--template", str(template), "--env-vars", str(variables),
            "--region", REGION, "--skip-pull-image",
        ]  # fmt: skip
        done = subprocess.run(
            command, cwd=work, env=sam_environment(cloud.environment()), capture_output=True,
            text=True, timeout=INVOKE_SECONDS_MAX, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
        assert "REPORT RequestId" in done.stderr, f"the function did not run:\n{done.stderr}"
        return Invocation(json.loads(done.stdout or "null"), done.stderr)

    return run
