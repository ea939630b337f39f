"""What the checks of a Check document see on a node that is well.

Data: which checks each platform has, and their facts.  Not here: what depends on the node's runs
and credentials, and what faults change (``checks``).
"""

from __future__ import annotations

from patchmedic_local.fleet.node import Node
from patchmedic_local.fleet.patch_run import package_manager
from patchmedic_local.options import REGION

_EVERYWHERE = (
    "disk-space",
    "memory",
    "clock",
    "dns",
    "tls",
    "proxies",
    "s3-reach",
    "ssm-reach",
    "credentials",
    "imds",
    "agent",
    "agent-diagnostics",
    "hibernation",
    "registration",
    "patch-runs",
    "state-files",
    "reboot-pending",
)
_UNIX = ("filesystems", "exec-mounts", "payload-leftovers", "patch-python")

CHECKS: dict[str, tuple[str, ...]] = {
    "linux": (
        *_EVERYWHERE,
        *_UNIX,
        "selinux",
        "os-limits",
        "package-lock",
        "dpkg-state",
        "rpm-db",
        "package-dependencies",
        "package-holds",
        "package-repositories",
        "package-metadata",
        "signing-keys",
        "subscription",
        "patch-log-tail",
    ),
    "macos": (*_EVERYWHERE, *_UNIX, "patch-log-tail"),
    "windows": (
        *_EVERYWHERE,
        "wsus-settings",
        "wu-services",
        "wu-reach",
        "wu-components",
        "component-store",
        "cbs-errors",
        "update-history",
        "rollback",
        "powershell",
        "sysprep",
        "installer",
        "patch-log-tail",
    ),
}
"""The closed lists of the documents; a test holds them to the scripts."""

_SSM_HOST = f"ssm.{REGION}.amazonaws.com"
_FACTS: dict[str, dict[str, str]] = {
    "disk-space": {
        "path": "/var",
        "free_mb": "6144",
        "need_mb": "500",
        "free_inodes": "812345",
    },
    "memory": {
        "free_mb": "2911",
        "need_mb": "256",
        "swap_free_mb": "0",
        "killed": "",
        "killed_minutes": "",
    },
    "filesystems": {"path": "", "device": "", "error": "", "all": ""},
    "exec-mounts": {"path": "", "options": ""},
    "os-limits": {"limit": "files", "used": "2144", "max": "787488"},
    "clock": {"offset_seconds": "0.1", "source": "169.254.169.123"},
    "reboot-pending": {"reasons": ""},
    "dns": {"host": _SSM_HOST, "servers": "10.0.0.2", "error": "", "addresses": "10.0.1.17"},
    "tls": {
        "host": _SSM_HOST,
        "error": "",
        "issuer": "Amazon, Amazon RSA 2048 M04",
        "trusted": "yes",
        "protocol": "TLSv1.3",
        "intercepted": "no",
        "roots_missing": "",
    },
    "proxies": {"agent": "", "environment": "", "bypass": "", "error": "", "proxy": ""},
    "s3-reach": {"host": f"s3.dualstack.{REGION}.amazonaws.com", "error": "", "seconds": "0.1"},
    "ssm-reach": {"host": _SSM_HOST, "error": ""},
    "agent-diagnostics": {"failed": "", "notes": "", "credentials": "", "expiry": "", "proxy": ""},
    "hibernation": {"minutes": "", "reason": ""},
    "state-files": {"file": "", "error": ""},
    "package-dependencies": {"broken": "", "detail": ""},
    "package-holds": {"held": "", "count": "0"},
    "package-repositories": {"repository": "", "host": "", "error": "", "checked": "3"},
    "package-metadata": {"repository": "", "error": "", "file": ""},
    "signing-keys": {"repository": "", "key": "", "error": ""},
    "wsus-settings": {"use_wu_server": "0", "wu_server": "", "source": "", "error": ""},
    "wu-services": {"service": "wuauserv", "start_type": "Manual", "state": "Running"},
    "wu-reach": {"host": "fe2.update.microsoft.com", "error": "", "wsus": ""},
    "wu-components": {"hresult": "", "count": "0", "source": "WindowsUpdateClient"},
    "component-store": {"health": "healthy", "pending": "", "session": ""},
    "cbs-errors": {"hresult": "", "count": "0"},
    "update-history": {"failed": "0", "hresult": "", "last_success_minutes": "11520"},
    "rollback": {"signs": "", "package": "", "hresult": ""},
    "powershell": {"version": "5.1", "language_mode": "FullLanguage", "error": ""},
    "sysprep": {"image_state": "IMAGE_STATE_COMPLETE"},
    "installer": {"process": "", "minutes": ""},
}
_PYTHON = {"python": "/usr/bin/python3", "version": "3.9.16", "error": "", "module": ""}
_RPM_BACKENDS = {"yum": "bdb", "zypper": "ndb"}
_NOT_HERE = {
    "dpkg-state": "this node has no dpkg",
    "rpm-db": "this node has no rpm",
    "selinux": "this node has no SELinux",
    "subscription": "no subscription is set up on this node",
}


def look(node: Node, name: str) -> tuple[str, dict[str, str]]:
    """State and facts of one check on this node, were it well."""
    facts = {**_FACTS, **_of_this_node(node)}[name]
    if facts is None:
        return "unknown", {"why": _NOT_HERE[name]}
    return "ok", dict(facts)


def _of_this_node(node: Node) -> dict[str, dict[str, str] | None]:
    """What depends on the node; ``None``: there is nothing on it to look at."""
    facts: dict[str, dict[str, str] | None] = {
        "agent": {
            "version": node.agent_version,
            "state": "running",
            "enabled": "yes",
            "workers": "1",
        },
        "registration": {
            "kind": "ec2" if node.is_ec2 else "hybrid",
            "registered_as": node.id,
            "instance_id": node.id if node.is_ec2 else "",
            "error": "",
        },
    }
    if node.platform == "windows":
        facts["disk-space"] = {**_FACTS["disk-space"], "path": "C:", "free_inodes": "not counted"}
    if node.platform == "linux":
        facts |= _of_this_distribution(node.spec.os.lower(), package_manager(node))
    elif node.platform == "macos":
        facts["patch-python"] = {**_PYTHON, "manager": "softwareupdate"}
    return facts


def _of_this_distribution(system: str, manager: str) -> dict[str, dict[str, str] | None]:
    rpm = {"backend": _RPM_BACKENDS.get(manager, "sqlite"), "packages": "447", "error": ""}
    selinux = {"mode": "permissive", "denials": "0", "last": ""}
    kind = "rhui" if "red hat" in system else "suse"
    registered = "red hat" in system or "suse" in system
    return {
        "package-lock": {"manager": manager, "lock": "", "holder_pid": "", "holder": ""},
        "dpkg-state": {"broken": "", "journal": "0"} if manager == "apt" else None,
        "rpm-db": None if manager == "apt" else rpm,
        "selinux": selinux if manager in ("dnf", "yum") else None,
        "subscription": {"kind": kind, "certificate": "", "error": ""} if registered else None,
        "patch-python": {**_PYTHON, "manager": manager},
    }
