"""What a healthy patch run prints, stage by stage, on each platform.

Here: text only, with ``${names}`` that ``patch_run`` fills in.  The Linux forms are those of the
payload that AWS publishes (log lines on stdout whatever their level); the Windows forms are the
summary of the PatchBaselineOperations module.  Not here: what goes wrong (``local/faults``).
"""

from __future__ import annotations

LINUX: dict[str, str] = {
    "start": """\
/usr/bin/python3
/usr/bin/${manager}
Using python binary: 'python3'
Using Python Version: Python 3.9.20
""",
    "payload": """\
${t} root [INFO]: Downloading payload from https://s3.dualstack.${region}.amazonaws.com/\
aws-ssm-${region}/patchbaselineoperations/linux/payloads/patch-baseline-operations-${payload}.tar.gz
""",
    "unpack": """\
${t} root [INFO]: Attempting to import entrance file os_selector
""",
    "override": "",
    "snapshot": """\
${t} root [INFO]: Running with snapshot id = ${snapshot_id} and operation = ${operation}
${t} root [INFO]: Instance Id: ${node_id}
${t} root [INFO]: Region: ${region}
${t} root [INFO]: Product: ${os}
${t} root [INFO]: Patch Group:
${t} root [INFO]: Operation type: ${operation}
${t} root [INFO]: Snapshot Id: ${snapshot_id}
${t} root [INFO]: Patch Baseline: {'baselineId': '${baseline_id}', \
'name': 'AWS-DefaultPatchBaseline'}
${t} root [INFO]: Reboot Option: ${reboot_option}
""",
    "packages": """\
${t} root [INFO]: Loading patch snapshot from snapshot.json
${packages_line}
""",
    "report": """\
${t} root [INFO]: ${reboot_line}
${t} root [INFO]: Report upload successful.
""",
}
CHATTER = "  Verifying  : package-{number:04d}-1.{number}.x86_64\n"
"""What package managers print for each package, on a node that has many."""
OVERRIDE_LINE = "${t} root [INFO]: Downloading Baseline Override from ${baseline_override}\n"

WINDOWS: dict[str, str] = {
    "start": "",
    "payload": """\
Downloading PatchBaselineOperations PowerShell module from https://s3.${region}.amazonaws.com/\
aws-ssm-${region}/patchbaselineoperations/Amazon.PatchBaselineOperations-1.55.zip to \
C:\\Windows\\TEMP\\Amazon.PatchBaselineOperations-1.55.zip.
""",
    "unpack": """\
Extracting PatchBaselineOperations zip file contents to temporary folder.
Verifying SHA 256 of the PatchBaselineOperations PowerShell module files.
Successfully downloaded and installed the PatchBaselineOperations PowerShell module.
""",
    "override": "",
    "snapshot": "",
    "packages": "",
    "report": """\
Patch Summary for ${node_id}

PatchGroup                  :
BaselineId                  : ${baseline_id}
Baseline                    : AWS-DefaultPatchBaseline
SnapshotId                  : ${snapshot_id}
RebootOption                : ${reboot_option}
OwnerInformation            :
OperationType               : ${operation}
OperationStartTime          : ${iso}
OperationEndTime            : ${iso}
InstalledCount              : ${installed}
InstalledRejectedCount      : 0
InstalledPendingRebootCount : ${pending_reboot}
InstalledOtherCount         : 11
FailedCount                 : 0
MissingCount                : ${missing}
NotApplicableCount          : 1873
UnreportedNotApplicableCount: 0

${computer} - PatchBaselineOperations ${operation} Results - ${iso}
""",
}

MACOS: dict[str, str] = {
    "start": "Using python binary: 'python3'\n",
    "payload": """\
${t} root [INFO]: Downloading payload from https://aws-patchmanager-macos-${region}.s3.${region}\
.amazonaws.com/patchbaselineoperations/macos/payloads/patch-baseline-operations-${payload}.tar.gz
""",
    "unpack": "${t} root [INFO]: Attempting to import entrance file os_selector\n",
    "override": "",
    "snapshot": LINUX["snapshot"],
    "packages": "${t} root [INFO]: Loading patch snapshot from snapshot.json\n",
    "report": LINUX["report"],
}
BY_PLATFORM = {"linux": LINUX, "windows": WINDOWS, "macos": MACOS}

SKIPPED = (
    "Step execution skipped due to unsatisfied preconditions: "
    "'\"StringEquals\": [platformType, ${platform}]'. Step name: ${step}"
)

# What two runs at once do to each other: the folder that one works in is deleted by the other.
FOLDER = "/var/log/amazon/ssm/patch-baseline-operations"
COLLISION_EXIT = {"linux": 152, "macos": 152, "windows": -1}
COLLISION_STDOUT = {
    "linux": f"""\
${{t}} root [ERROR]: Unable to load and extract the content of payload, abort.
Traceback (most recent call last):
  File "<stdin>", line 141, in <module>
  File "/usr/lib64/python3.9/tarfile.py", line 1675, in gzopen
    fileobj = GzipFile(name, mode + "b", compresslevel, fileobj)
FileNotFoundError: [Errno 2] No such file or directory: \
'patch-baseline-operations-${{payload}}.tar.gz'
${{t}} root [INFO]: Cleaning up {FOLDER}
""",
    "windows": "",
}
COLLISION_STDOUT["macos"] = COLLISION_STDOUT["linux"]
COLLISION_STDERR = {
    "linux": "Unable to load and extract the content of payload, abort.",
    "windows": """\
Invoke-PatchBaselineOperation : The process cannot access the file
'C:\\ProgramData\\Amazon\\PatchBaselineOperations\\State\\PatchStatesConfiguration.json' because it
is being used by another process.
At C:\\ProgramData\\Amazon\\SSM\\InstanceData\\${node_id}\\document\\orchestration\\${command_id}
\\PatchWindows\\_script.ps1:219 char:13
+ $$response = Invoke-PatchBaselineOperation -Operation ${operation} -Snapsho ...
    + CategoryInfo          : OperationStopped: (:) [Invoke-PatchBaselineOperation], IOException
""",
}
COLLISION_STDERR["macos"] = COLLISION_STDERR["linux"]
