"""Changes MiniStack's EC2: no containers behind instances, and endpoint policies that are kept.

MiniStack drops the PolicyDocument of a VPC endpoint; the cause of a refused download is often
written there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from patchmedic_local.hooks import pinned

_OPEN_POLICY = {
    "Version": "2008-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}


class ContainersRefused(RuntimeError):
    """Something tried to start a container for an instance."""


def install() -> None:
    ec2 = pinned.require("ministack.services.ec2", "_ACTION_MAP", "_vpc_endpoints", "_p")

    def no_containers(original: Callable[..., Any]) -> Callable[..., Any]:
        def launch(*args: Any, **kwargs: Any) -> Any:
            raise ContainersRefused("the local cloud's instances are records only")

        return launch

    pinned.replace("ministack.services.ec2", "_vm_launch", no_containers)
    pinned.replace("ministack.services.ec2", "_get_docker", no_containers)

    def keep_policy(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def create(params: Any) -> Any:
            before = set(ec2._vpc_endpoints)
            answer = original(params)
            policy = ec2._p(params, "PolicyDocument") or json.dumps(_OPEN_POLICY)
            for endpoint_id in set(ec2._vpc_endpoints) - before:
                ec2._vpc_endpoints[endpoint_id]["PolicyDocument"] = policy
            return answer

        return create

    def show_policy(original: Callable[..., str]) -> Callable[..., str]:
        def fields(endpoint: dict[str, Any], tag: str = "item") -> str:
            text = original(endpoint, tag)
            policy = escape(endpoint.get("PolicyDocument", json.dumps(_OPEN_POLICY)))
            end = f"</{tag}>"
            return text[: text.rindex(end)] + f"<policyDocument>{policy}</policyDocument>{end}"

        return fields

    create = pinned.replace("ministack.services.ec2", "_create_vpc_endpoint", keep_policy)
    pinned.replace("ministack.services.ec2", "_vpce_fields_xml", show_policy)
    assert "CreateVpcEndpoint" in ec2._ACTION_MAP, "MiniStack no longer maps CreateVpcEndpoint"
    ec2._ACTION_MAP["CreateVpcEndpoint"] = create
