"""A local cloud in a process of its own, and small helpers to talk to it.

These tests run with the local cloud's own interpreter (it pins its own botocore).  They see it as
any user does: over HTTP, with boto3.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / "local"

REGION = "ap-northeast-1"
ACCOUNT = "123456789012"
_FINAL = ("Success", "Failed", "TimedOut", "Cancelled")


class Cloud:
    """A local cloud in a process of its own."""

    def __init__(self, state_dir: Path, *scenarios: str) -> None:
        self.state_dir = state_dir
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "patchmedic_local", "serve", "--port", str(self.port)]
        command += ["--state-dir", str(state_dir)]
        for name in scenarios:
            command += ["--scenario", str(LOCAL / "scenarios" / f"{name}.yaml")]
        environment = {**os.environ, "PYTHONPATH": str(LOCAL)}
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if line != f"ready {self.endpoint}":
            self.process.kill()
            raise RuntimeError(f"no ready line but {line!r}: {self.process.communicate()[1]}")

    def client(self, service: str, key: str = "test", secret: str = "test") -> Any:  # noqa: S107
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            # The server's own refusals are what is tested, so nothing is checked or repeated here.
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        )

    def admin(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.endpoint}/_patchmedic/{path}"  # always our own loopback address
        request = urllib.request.Request(url, data=data)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return json.load(response)

    def admin_error(self, path: str, body: dict[str, Any]) -> str:
        try:
            answer = self.admin(path, body)
        except urllib.error.HTTPError as error:
            return str(json.load(error)["error"])
        raise AssertionError(f"{path} was accepted: {answer}")

    def node(self, node_id: str) -> dict[str, Any]:
        nodes: list[dict[str, Any]] = self.admin("nodes")["nodes"]
        return next(node for node in nodes if node["id"] == node_id)

    def wait(self, command_id: str, node_id: str, seconds: float = 12) -> dict[str, Any]:
        """The invocation with its plugins once it is final."""
        ssm = self.client("ssm")
        deadline = time.monotonic() + seconds
        while True:
            found = ssm.list_command_invocations(
                CommandId=command_id, InstanceId=node_id, Details=True
            )["CommandInvocations"]
            if found and found[0]["Status"] in _FINAL:
                invocation: dict[str, Any] = found[0]
                return invocation
            assert time.monotonic() < deadline, f"{command_id} is not final: {found}"
            time.sleep(0.1)

    def scan(self, node_id: str, **parameters: str) -> dict[str, Any]:
        """Someone scans the node; the final invocation."""
        body: dict[str, Any] = {"nodes": [node_id], "operation": "Scan", "parameters": parameters}
        command_id = self.admin("patch", body)["command_id"]
        return self.wait(command_id, node_id)

    def queue_for(self, pattern: dict[str, Any], name: str) -> str:
        """A queue that receives the events of this pattern."""
        sqs, events = self.client("sqs"), self.client("events")
        url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        return url

    def events(self, url: str) -> list[dict[str, Any]]:
        """Everything in the queue, oldest first."""
        sqs = self.client("sqs")
        found: list[dict[str, Any]] = []
        while True:
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            if not messages:
                return found
            found += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def user(self, name: str, *statements: dict[str, Any]) -> Any:
        """An SSM client with the rights of a new user."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return self.client("ssm", key["AccessKeyId"], key["SecretAccessKey"])

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=15)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code
