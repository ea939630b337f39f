"""Incidents for the tests of the notices: four whole stories and small parts of others.

Texts of causes and remedies are the tests' own, so that the golden files change only when the
renderer does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from patchmedic.chain import Link
from patchmedic.incident import Action, Incident, Proposal, Reason, State
from patchmedic.model import (
    Candidate,
    Classification,
    Evidence,
    Finding,
    IncidentKind,
    Mode,
    NodeRef,
    Outcome,
    Remedy,
    Risk,
    Signal,
    SignalKind,
    SupportingLine,
    Text,
    Verdict,
)
from patchmedic.notices.render import NoticeContext
from patchmedic.verdict import Diagnosis, diagnose, weigh

ACCOUNT, REGION = "123456789012", "ap-northeast-1"
COMMAND_ID = "5d7a9c10-2b3e-4f61-8a94-c0ffee000101"
FAILED_AT = datetime(2026, 11, 21, 18, 4, 37, tzinfo=UTC)
NOW = FAILED_AT + timedelta(minutes=6, seconds=12)

CONTEXT = NoticeContext(
    prefix="patchmedic",
    region=REGION,
    account=ACCOUNT,
    table_name="patchmedic-incidents",
    approve_function="patchmedic-approve",
    kill_switch_parameter="/patchmedic/kill-switch",
)


@dataclass(frozen=True)
class Texts:
    """An entry of a small catalogue."""

    title: Text
    meaning: Text
    advice: Text
    links: tuple[str, ...] = ()


CAUSES = {
    "disk-full": Texts(
        {"en": "Disk full", "ja": "ディスク容量不足"},
        {
            "en": "A file system that patching writes to has no space or no inodes left.",
            "ja": "パッチ適用が書き込むファイルシステムに、空き容量または i ノードがありません。",
        },
        {
            "en": "Free space on the file system, or enlarge the volume:\n"
            "  aws ec2 describe-volumes --region <REGION>"
            " --filters Name=attachment.instance-id,Values=<INSTANCE_ID>",
            "ja": "空き容量を確保するか、ボリュームを拡張してください:\n"
            "  aws ec2 describe-volumes --region <REGION>"
            " --filters Name=attachment.instance-id,Values=<INSTANCE_ID>",
        },
    ),
    "s3-unreachable": Texts(
        {"en": "No connection to S3", "ja": "S3 に接続できない"},
        {
            "en": "The node gets no connection to the S3 buckets that hold the patch payload.",
            "ja": "パッチ適用に必要なファイルを置いた S3 バケットへ、ノードから接続できません。",
        },
        {
            "en": "Give the node's subnet a way to S3: a gateway endpoint or a NAT gateway.",
            "ja": "ノードのサブネットに、S3 への経路（ゲートウェイエンドポイントまたは"
            " NAT ゲートウェイ）を用意してください。",
        },
        ("https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html",),
    ),
    "package-manager-locked": Texts(
        {"en": "Package manager locked", "ja": "パッケージマネージャーのロック"},
        {"en": "Another process holds the lock.", "ja": "別のプロセスがロックを保持しています。"},
        {"en": "Wait for it to end.", "ja": "終了を待ってください。"},
    ),
    "wu-components-broken": Texts(
        {"en": "Windows Update components broken", "ja": "Windows Update コンポーネントの破損"},
        {
            "en": "The Windows Update client or its datastore is damaged and needs a reset.",
            "ja": "Windows Update クライアントまたはデータストアが破損しており、リセットが"
            "必要です。",
        },
        {"en": "Reset the components.", "ja": "コンポーネントをリセットしてください。"},
    ),
    "wu-unreachable": Texts(
        {"en": "Windows Update unreachable", "ja": "Windows Update に接続できない"},
        {"en": "No connection.", "ja": "接続できません。"},
        {"en": "Open the way.", "ja": "経路を確認してください。"},
    ),
    "instance-profile-missing": Texts(
        {"en": "No instance profile", "ja": "インスタンスプロファイルなし"},
        {
            "en": "The instance has no role, so the agent has no credentials for Systems Manager.",
            "ja": "インスタンスにロールがないため、SSM Agent が Systems Manager の認証情報を"
            "取得できません。",
        },
        {"en": "Attach an instance profile.", "ja": "インスタンスプロファイルを付けてください。"},
    ),
    "unknown": Texts(
        {"en": "Unknown", "ja": "不明"},
        {"en": "The evidence does not decide.", "ja": "証拠から原因を判断できません。"},
        {"en": "Read the whole output.", "ja": "出力全体を確認してください。"},
    ),
}


def remedy(remedy_id: str, risk: Risk, *, documents: bool = True, reboot: bool = False) -> Remedy:
    """A remedy of the tests."""
    titles = {
        "free-disk-space": ("Free disk space", "ディスク領域の解放"),
        "reset-windows-update": ("Reset Windows Update", "Windows Update のリセット"),
        "retry-when-quiet": ("Try again later", "時間をおいて再試行"),
    }
    en, ja = titles[remedy_id]
    return Remedy(
        id=remedy_id,
        risk=risk,
        causes=(),
        documents={"linux": "Remedy-X-Linux"} if documents else {},
        parameters={},
        may_reboot=reboot,
        wait_seconds=0,
        timeout_seconds=600,
        title={"en": en, "ja": ja},
        changes={
            "en": "Stops the update services, renames their datastore and starts them again.",
            "ja": "更新関連のサービスを停止し、データストアの名前を変更してから再開します。",
        },
        undo={
            "en": "Stop the services and rename the old folders back.",
            "ja": "サービスを停止し、元のフォルダー名に戻します。",
        },
        preconditions={
            "en": "No installation is at work.",
            "ja": "インストールが実行中でないこと。",
        },
        verified_by={"en": "A later scan.", "ja": "実行後のスキャン。"},
    )


REMEDIES = {
    "free-disk-space": remedy("free-disk-space", Risk.LOW),
    "reset-windows-update": remedy("reset-windows-update", Risk.MEDIUM),
    "retry-when-quiet": remedy("retry-when-quiet", Risk.NONE, documents=False),
}


def incident(cause: str = "unknown") -> Incident:
    """A patch run that failed a moment ago; the stories change what they need."""
    signal = Signal(
        kind=SignalKind.PATCH_COMMAND_FAILED,
        account=ACCOUNT,
        region=REGION,
        event_id="3c1f6a52-8d0e-4b7a-9a61-5f2e7d80c101",
        time=FAILED_AT,
        node_id="i-0a1b2c3d4e5f60001",
        command_id=COMMAND_ID,
        document="AWS-RunPatchBaseline",
        status="Failed",
    )
    evidence = Evidence(
        platform="linux",
        document="AWS-RunPatchBaseline",
        operation="Install",
        status="Failed",
        status_details="Failed",
        step="PatchLinux",
        response_code=1,
        parameters={"Operation": ("Install",), "RebootOption": ("RebootIfNeeded",)},
    )
    candidates = (Candidate(cause, 0.9),) if cause != "unknown" else ()
    return Incident(
        id="pm-0123456789abcdef",
        node=NodeRef(ACCOUNT, REGION, "i-0a1b2c3d4e5f60001"),
        kind=IncidentKind.PATCHING,
        state=State.CLOSED,
        version=5,
        opened_at=FAILED_AT + timedelta(seconds=4),
        updated_at=NOW,
        deadline=None,
        signal=signal,
        run_keys=(f"command:{COMMAND_ID}",),
        signals_count=1,
        evidence=evidence,
        classification=Classification(candidates, "0123456789ab"),
        catalogue_version="0123456789ab",
        mode=Mode.AUTO,
        platform="linux",
    )


def _finding(
    check: str,
    verdict: Verdict,
    cause: str | None,
    resource: str,
    en: str,
    ja: str,
    fix: Text | None = None,
    commands: tuple[str, ...] = (),
    **facts: str,
) -> Finding:
    says = {"en": en, "ja": ja}
    return Finding(check, verdict, cause, resource, says, fix or {}, commands, facts)


def _classified(cause: str, confidence: float, *texts: str) -> Classification:
    lines = tuple(SupportingLine("stderr", 12 + n, text) for n, text in enumerate(texts))
    return Classification((Candidate(cause, confidence, lines),), "0123456789ab")


LOCK_FREE = _finding(
    "package-lock",
    Verdict.REFUTES,
    "package-manager-locked",
    "/var/lib/rpm/.rpm.lock",
    "no process holds the lock.",
    "ロックを保持しているプロセスはありません。",
)


def resolved() -> Incident:
    """A full disk, made room on, and looked at again."""
    return replace(
        incident("disk-full"),
        classification=_classified(
            "disk-full", 0.97, "OSError: [Errno 28] No space left on device"
        ),
        findings=(
            _finding(
                "disk-space",
                Verdict.CONFIRMS,
                "disk-full",
                "/var",
                "12 MB are free, patching needs 500 MB.",
                "空きは 12 MB ですが、パッチ適用には 500 MB 必要です。",
            ),
            LOCK_FREE,
        ),
        diagnosis=Diagnosis("disk-full", "finding", ("package-manager-locked",)),
        actions=(
            Action(
                "free-disk-space",
                Risk.LOW,
                "pm-0123456789abcdef-02",
                FAILED_AT + timedelta(seconds=33),
                "done",
                "freed_mb=812",
            ),
        ),
        outcome=Outcome.RESOLVED,
        reason=Reason("verified", "the Scan succeeded"),
        verified="Scan ended 2026-11-21T18:10:40Z: 0 failed, 3 missing",
    )


def escalated() -> Incident:
    """No way to S3 from a private subnet: a person has to change the network."""
    return replace(
        incident("s3-unreachable"),
        state=State.HANDED_OVER,
        classification=_classified(
            "s3-unreachable",
            0.93,
            "Unable to download file from S3: https://s3.ap-northeast-1.amazonaws.com/"
            "aws-ssm-ap-northeast-1/patchbaselineoperations/linux/payloads/"
            "patch-baseline-operations-1.134.tar.gz.",
            "ConnectTimeoutError: connect timeout=60",
        ),
        findings=(
            _finding(
                "s3-reach",
                Verdict.CONFIRMS,
                "s3-unreachable",
                "aws-ssm-ap-northeast-1.s3.ap-northeast-1.amazonaws.com",
                "the connection timed out after 10 seconds.",
                "接続が 10 秒でタイムアウトしました。",
            ),
            _finding(
                "network-path",
                Verdict.CONFIRMS,
                "s3-unreachable",
                "rtb-0aa11bb22cc33dd44",
                "the route table has no route to S3: no gateway endpoint, no NAT, no"
                " internet gateway.",
                "ルートテーブルに S3 への経路がありません（ゲートウェイエンドポイント、NAT、"
                "インターネットゲートウェイのいずれもなし）。",
                {
                    "en": "Add a gateway endpoint for S3 to the VPC and its route table.",
                    "ja": "VPC とルートテーブルに S3 のゲートウェイエンドポイントを追加して"
                    "ください。",
                },
                (
                    (
                        "aws ec2 create-vpc-endpoint --region ap-northeast-1"
                        " --vpc-id vpc-0aa11bb22cc33dd44"
                        " --service-name com.amazonaws.ap-northeast-1.s3"
                        " --route-table-ids rtb-0aa11bb22cc33dd44"
                    ),
                ),
                obstacle="no-route",
            ),
            _finding(
                "disk-space",
                Verdict.REFUTES,
                "disk-full",
                "/var",
                "8,120 MB are free.",
                "8,120 MB の空きがあります。",
            ),
            LOCK_FREE,
            _finding(
                "managed-node",
                Verdict.NEUTRAL,
                None,
                "i-0a1b2c3d4e5f60001",
                "Online, agent 3.3.1345.0.",
                "オンライン、SSM Agent 3.3.1345.0。",
            ),
        ),
        diagnosis=Diagnosis(
            "s3-unreachable",
            "finding",
            ("disk-full", "package-manager-locked"),
            (
                Link("cause", "s3-unreachable"),
                Link("obstacle", "no-route"),
                Link("resource", "rtb-0aa11bb22cc33dd44"),
            ),
        ),
        outcome=Outcome.ESCALATED,
        reason=Reason("no-remedy", "no remedy of s3-unreachable may run by machine here"),
        paged=True,
    )


def unconfirmed() -> Incident:
    """Nothing was confirmed: what was ruled out, set aside and not looked at is what there is."""
    base = escalated()
    findings = (
        _finding(
            "network-path",
            Verdict.CONFIRMS,
            "wu-unreachable",
            "rtb-0aa11bb22cc33dd44",
            "the route table has no route to Microsoft's update hosts.",
            "ルートテーブルに Microsoft の更新サーバーへの経路がありません。",
        ),
        _finding(
            "wu-reach",
            Verdict.REFUTES,
            "wu-unreachable",
            "fe2.update.microsoft.com",
            "answered within 1 second.",
            "1 秒以内に応答しました。",
        ),
        LOCK_FREE,
        _finding(
            "role-policies",
            Verdict.NEUTRAL,
            "s3-access-denied",
            "i-0a1b2c3d4e5f60001",
            "The role's policies could not be read, so this check decides nothing:"
            " iam:ListAttachedRolePolicies answered AccessDenied.",
            "ロールのポリシーを読み取れなかったため、このチェックでは判断できません"
            " (iam:ListAttachedRolePolicies が AccessDenied を返しました)。",
            {
                "en": "Allow iam:ListAttachedRolePolicies to PatchMedic's diagnose role, then let"
                " it look again.",
                "ja": "PatchMedic の診断用ロールに iam:ListAttachedRolePolicies を許可してから、"
                "もう一度確認してください。",
            },
            call="iam:ListAttachedRolePolicies",
        ),
        _finding(
            "s3-reach",
            Verdict.NEUTRAL,
            None,
            "i-0a1b2c3d4e5f60001",
            "The check s3-reach could not look: neither curl nor wget is installed.",
            "チェック s3-reach は確認できませんでした"
            "（理由: neither curl nor wget is installed）。",
            why="neither curl nor wget is installed",
        ),
        _finding(
            "dpkg-state",
            Verdict.NEUTRAL,
            None,
            "i-0a1b2c3d4e5f60001",
            "The check dpkg-state could not look: this node has no dpkg.",
            "チェック dpkg-state は確認できませんでした（理由: this node has no dpkg）。",
            why="this node has no dpkg",
        ),
    )
    return replace(
        base,
        findings=weigh(findings),
        diagnosis=diagnose(base.classification, findings, {}, 0.8),
        reason=Reason("not-confirmed", "no check confirmed a cause, so nothing was changed"),
    )


def proposed() -> Incident:
    """Windows Update needs a reset, which is above the risk ceiling."""
    base = incident("wu-components-broken")
    return replace(
        base,
        state=State.PROPOSED,
        platform="windows",
        evidence=replace(base.evidence, platform="windows", step="PatchWindows", response_code=-1),
        classification=Classification(
            (
                Candidate(
                    "wu-components-broken",
                    0.7,
                    (
                        SupportingLine(
                            "stdout", 31, "Exception from HRESULT: 0x80240437 while searching"
                        ),
                    ),
                ),
                Candidate("wu-unreachable", 0.6),
            ),
            "0123456789ab",
        ),
        findings=(
            _finding(
                "wu-components",
                Verdict.CONFIRMS,
                "wu-components-broken",
                "SoftwareDistribution",
                "the last 4 searches failed with 0x80240437.",
                "直近 4 回の検索が 0x80240437 で失敗しています。",
            ),
            _finding(
                "wu-reach",
                Verdict.REFUTES,
                "wu-unreachable",
                "fe2.update.microsoft.com",
                "answered within 1 second.",
                "1 秒以内に応答しました。",
            ),
        ),
        diagnosis=Diagnosis("wu-components-broken", "finding", ("wu-unreachable",)),
        proposal=Proposal(
            "reset-windows-update",
            "wu-components-broken",
            "reset-windows-update needs an approval: its risk medium is above the ceiling low",
            NOW + timedelta(hours=24),
        ),
        paged=True,
    )


def ping_recommended() -> Incident:
    """A node went silent because its instance profile is gone; the stack only advises."""
    base = incident("instance-profile-missing")
    last_ping = FAILED_AT - timedelta(minutes=11)
    return replace(
        base,
        kind=IncidentKind.PING,
        state=State.HANDED_OVER,
        mode=Mode.RECOMMEND,
        signal=replace(
            base.signal,
            kind=SignalKind.PING_LOST,
            command_id=None,
            document=None,
            status="ConnectionLost",
            last_ping=last_ping,
        ),
        evidence=Evidence(platform="linux", status="ConnectionLost"),
        classification=Classification((), "0123456789ab"),
        findings=(
            _finding(
                "instance-profile",
                Verdict.CONFIRMS,
                "instance-profile-missing",
                "i-0a1b2c3d4e5f60001",
                "no instance profile is attached.",
                "インスタンスプロファイルがアタッチされていません。",
                {
                    "en": "Attach an instance profile whose role has the policy"
                    " AmazonSSMManagedInstanceCore.",
                    "ja": "AmazonSSMManagedInstanceCore ポリシーを持つロールのインスタンス"
                    "プロファイルをアタッチしてください。",
                },
                (
                    (
                        "aws ec2 associate-iam-instance-profile --region ap-northeast-1"
                        " --instance-id i-0a1b2c3d4e5f60001 --iam-instance-profile Name=NAME"
                    ),
                ),
            ),
        ),
        diagnosis=Diagnosis("instance-profile-missing", "finding", ()),
        outcome=Outcome.RECOMMENDED,
        reason=Reason("mode", "the mode is recommend: advice only"),
    )


def filled_with(text: str) -> Incident:
    """An incident in which everything that others wrote is ``text``."""
    base = escalated()
    lines = tuple(SupportingLine("stderr", n, text) for n in range(1, 9))
    findings = tuple(
        Finding(
            text,
            v,
            "s3-unreachable",
            text,
            {"en": text, "ja": text},
            {"en": text, "ja": text},
            (text,) * 9,
        )
        for v in Verdict
        for _ in range(6)
    )
    return replace(
        base,
        evidence=Evidence(
            platform="windows",
            document=text,
            operation=text,
            status=text,
            status_details=text,
            step=text,
            response_code=-2147024784,
            stdout=text,
            stderr=text,
            truncated=True,
            notes=(text,) * 9,
        ),
        signal=replace(
            base.signal,
            command_id=text,
            status=text,
            association_id=text,
            window_id=text,
            document=text,
        ),
        classification=Classification(
            (Candidate("s3-unreachable", 0.9, lines), Candidate(text, 0.8)), "v"
        ),
        findings=findings,
        actions=(Action("free-disk-space", Risk.LOW, text, FAILED_AT, "failed", text, text),) * 15,
        reason=Reason("denied", text),
        verified=text,
        signals_count=10**9,
    )


STORIES = {
    "resolved-disk-full": ("resolved", resolved, "web-1"),
    "escalated-s3-unreachable": ("escalated", escalated, "web-1"),
    "escalated-nothing-confirmed": ("escalated", unconfirmed, "web-1"),
    "proposal-reset-windows-update": ("proposal", proposed, "win-7"),
    "recommended-ping-lost": ("recommended", ping_recommended, None),
}
