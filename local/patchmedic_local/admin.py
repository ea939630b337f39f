"""The overlay's own HTTP API under ``/_patchmedic/``: for demos and tests, on loopback only.

Here: its routes.  Not here: anything that AWS has; PatchMedic itself never calls this.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from patchmedic_local import cloud
from patchmedic_local.fleet.fleet import Fleet
from patchmedic_local.hooks.api_destinations import Destination
from patchmedic_local.hooks.consoles import Consoles
from patchmedic_local.scenario.reading import ScenarioError
from patchmedic_local.ssm.api import Api
from patchmedic_local.ssm.calls import InjectedFault
from patchmedic_local.ssm.errors import ApiError
from patchmedic_local.timeline import Timeline

logger = logging.getLogger("patchmedic.local")
PREFIX = "/_patchmedic/"
_LOOPBACK = ("127.0.0.1", "::1")
_BODY_BYTES_MAX = 2_000_000

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class BadRequest(ValueError):
    """A request that the admin API cannot use, and what it can."""


class Admin:
    """The routes, over one fleet."""

    def __init__(
        self,
        fleet: Fleet,
        api: Api,
        timeline: Timeline,
        destination: Destination,
        consoles: Consoles,
    ) -> None:
        self._fleet = fleet
        self._api = api
        self._timeline = timeline
        self._destination = destination
        self._consoles = consoles
        self._routes: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "health"): self._health,
            ("GET", "nodes"): self._nodes,
            ("GET", "calls"): self._calls,
            ("POST", "event"): self._event,
            ("POST", "patch"): self._patch,
            ("POST", "association"): self._association,
            ("POST", "window"): self._window,
            ("POST", "scenario"): self._scenario,
            ("POST", "faults"): self._faults,
            ("POST", "pager"): self._pager,
            ("POST", "ping"): self._ping,
            ("POST", "console"): self._console,
            ("POST", "status"): self._status,
        }

    def wrap(self, app: AsgiApp) -> AsgiApp:
        """An ASGI application that answers these routes and leaves the rest to ``app``."""

        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"].startswith(PREFIX):
                await self._serve(scope, receive, send)
            else:
                await app(scope, receive, send)

        return wrapped

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body") or len(body) > _BODY_BYTES_MAX:
                break
        client = (scope.get("client") or ("",))[0]
        route = (scope["method"], scope["path"][len(PREFIX) :].strip("/"))
        if client not in _LOOPBACK:
            status, answer = 403, {"error": "only from this machine"}
        else:
            status, answer = self._answer(route, scope.get("query_string", b"").decode(), body)
        content = json.dumps(answer, ensure_ascii=False, default=str).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def _answer(self, route: tuple[str, str], query: str, body: bytes) -> tuple[int, Any]:
        handler = self._routes.get(route)
        if handler is None:
            known = ", ".join(f"{method} {PREFIX}{name}" for method, name in self._routes)
            return 404, {"error": f"no such route. There are: {known}"}
        try:
            request = json.loads(body) if body else _query(query)
            if not isinstance(request, dict):
                raise BadRequest("the body has to be a JSON object")
            return 200, handler(request)
        except json.JSONDecodeError as error:
            return 400, {"error": f"the body is not JSON: {error}"}
        except ApiError as error:
            return 400, {"error": f"{error.code}: {error.message}"}
        except (BadRequest, ScenarioError) as error:
            return 400, {"error": str(error)}

    # -- looking ------------------------------------------------------------------------------

    def _health(self, request: Mapping[str, Any]) -> Any:
        problems = [*self._timeline.failures, *self._api.mismatches]
        return {"ok": not problems, "problems": problems, "waiting": self._timeline.waiting}

    def _nodes(self, request: Mapping[str, Any]) -> Any:
        now = time.time()
        with self._fleet.lock:
            return {"nodes": [node.describe(now) for node in self._fleet.nodes.values()]}

    def _calls(self, request: Mapping[str, Any]) -> Any:
        return {"calls": self._api.calls.recorded(request.get("action"))}

    # -- doing --------------------------------------------------------------------------------

    def _event(self, request: dict[str, Any]) -> Any:
        for name in ("source", "detail-type"):
            if not isinstance(request.get(name), str):
                raise BadRequest(f"an event needs {name!r} as text")
        return {"id": cloud.put_event(request)}

    def _patch(self, request: Mapping[str, Any]) -> Any:
        nodes = self._known_nodes(request)
        parameters = {
            "Operation": [str(request.get("operation", "Install"))],
            "RebootOption": [str(request.get("reboot_option", "NoReboot"))],
        }
        for name, value in (request.get("parameters") or {}).items():
            parameters[name] = value if isinstance(value, list) else [str(value)]
        document = str(request.get("document", "AWS-RunPatchBaseline"))
        delay = _seconds_until(request.get("at"))
        if delay > 0:
            self._fleet.later(delay, lambda: self._fleet.patch(nodes, document, parameters))
            return {"command_id": None, "starts_in_seconds": delay}
        command = self._fleet.patch(
            nodes,
            document,
            parameters,
            command_id=_command_id(request.get("command_id")),
            raises_events=bool(request.get("events", True)),
        )
        return {"command_id": command.id, "starts_in_seconds": 0}

    def _association(self, request: Mapping[str, Any]) -> Any:
        with self._fleet.lock:
            association = _one(self._fleet.associations.by_id, request, "association")
            return {"execution_id": self._fleet.associations.run(association).id}

    def _window(self, request: Mapping[str, Any]) -> Any:
        with self._fleet.lock:
            window = _one(self._fleet.windows.by_id, request, "window")
            execution = self._fleet.windows.open(window)
            return {"window_execution_id": execution.id, "command_id": execution.command_id}

    def _scenario(self, request: Mapping[str, Any]) -> Any:
        scenario = self._fleet.load(Path(str(request.get("file", ""))))
        return {"name": scenario.name, "nodes": [node.id for node in scenario.nodes]}

    def _faults(self, request: dict[str, Any]) -> Any:
        if request.get("clear"):
            self._api.calls.clear_faults()
            return {"cleared": True}
        if "rate" in request:
            self._api.throttle.set_rate(str(request["action"]), float(request["rate"]))
            return {"rate": request["rate"]}
        allowed = {field.name for field in fields(InjectedFault)}
        if "action" not in request or set(request) - allowed:
            raise BadRequest(
                f"needs action, and may have {', '.join(sorted(allowed))}, rate, clear"
            )
        self._api.calls.inject(InjectedFault(**request))
        return {"injected": request}

    def _pager(self, request: Mapping[str, Any]) -> Any:
        self._destination.fail(int(request.get("status", 500)), int(request.get("times", 1)))
        return {"failing": True}

    def _ping(self, request: Mapping[str, Any]) -> Any:
        """Silence an agent (as if it was last heard of so many minutes ago), or bring it back."""
        with self._fleet.lock:
            for node_id in self._known_nodes(request):
                minutes = request.get("last_ping_minutes_ago")
                node = self._fleet.nodes[node_id]
                node.silent_since = None if minutes is None else time.time() - float(minutes) * 60
        return {"ping": "restored" if request.get("last_ping_minutes_ago") is None else "lost"}

    def _console(self, request: Mapping[str, Any]) -> Any:
        """What the consoles of some nodes show from now on."""
        nodes = self._known_nodes(request)
        for node_id in nodes:
            self._consoles.show(node_id, str(request.get("text", "")))
        return {"shown": nodes}

    def _status(self, request: Mapping[str, Any]) -> Any:
        """Which EC2 status checks of some instances fail from now on, until a reboot."""
        nodes, kinds = self._known_nodes(request), request.get("failed", ["instance"])
        if not isinstance(kinds, list) or not set(kinds) <= {"instance", "system"}:
            raise BadRequest("'failed' is a list of instance and system")
        for node_id in nodes:
            if not node_id.startswith("i-"):
                raise BadRequest(f"{node_id} is no EC2 instance")
            cloud.fail_checks(node_id, kinds)
        return {"failed": kinds}

    def _known_nodes(self, request: Mapping[str, Any]) -> list[str]:
        nodes = request.get("nodes")
        if not isinstance(nodes, list) or not nodes:
            raise BadRequest("needs 'nodes': a list of node ids")
        unknown = [node for node in nodes if node not in self._fleet.nodes]
        if unknown:
            raise BadRequest(f"the fleet has no node {', '.join(map(str, unknown))}")
        return nodes


def _query(text: str) -> dict[str, Any]:
    pairs = (item.partition("=") for item in text.split("&") if item)
    return {name: value for name, _equals, value in pairs}


def _one(known: Mapping[str, Any], request: Mapping[str, Any], kind: str) -> Any:
    found = known.get(str(request.get("id")))
    if found is None:
        raise BadRequest(f"there is no {kind} {request.get('id')!r}. There are: {', '.join(known)}")
    return found


def _command_id(given: Any) -> str | None:
    """The id that a command shall have, if the request names one."""
    if given is None:
        return None
    try:
        return str(uuid.UUID(str(given)))
    except ValueError:
        raise BadRequest("command_id is no UUID") from None


def _seconds_until(at: Any) -> float:
    """``at`` as seconds from now, or as an ISO time."""
    if at is None:
        return 0.0
    if isinstance(at, (int, float)):
        return float(at)
    try:
        when = datetime.fromisoformat(str(at).replace("Z", "+00:00"))
    except ValueError as error:
        raise BadRequest(f"'at' is {at!r}: give seconds from now, or an ISO time") from error
    return max(0.0, when.timestamp() - time.time())
