"""Does the node's network lead to S3, Systems Manager and, for Windows, Microsoft?

Here: ``network-path``: which ways a node needs, the verdicts, the sentences and commands.  Not
here: the model of the VPC itself (``reach``).

One fact outranks the model: a node that answers Systems Manager right now has a way to it.  When
the model sees none, something stands in the way of the model (a proxy, a shared endpoint), and no
block that it sees is certain any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from patchmedic.checks.aws import agent
from patchmedic.checks.aws.findings import (
    confirms,
    neutral,
    not_ec2,
    not_read,
    refutes,
    text,
)
from patchmedic.checks.aws.reach import (
    Obstacle,
    Reach,
    View,
    Way,
    over_interfaces,
    to_internet,
    to_s3,
    to_service,
    views,
)
from patchmedic.checks.aws.snapshot import NodeSnapshot
from patchmedic.model import Finding, Text

CHECK = "network-path"
NETWORK_CALLS = (
    "ec2:DescribeInstances",
    "ec2:DescribeRouteTables",
    "ec2:DescribeVpcEndpoints",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeNatGateways",
    "ec2:DescribePrefixLists",
    "ec2:GetManagedPrefixListEntries",
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeVpcs",
    "ec2:DescribeDhcpOptions",
)


@dataclass(frozen=True, slots=True)
class Goal:
    """Somewhere that patching has to get to, and the cause when it cannot."""

    cause: str
    name: Text


S3 = Goal("s3-unreachable", text("S3", "S3"))
MICROSOFT = Goal("wu-unreachable", text("Microsoft's update hosts", "Microsoft の更新サーバー"))


def _service(name: str) -> Goal:
    return Goal("ssm-endpoint-unreachable", text(f"the {name} endpoint", f"{name} エンドポイント"))


def check(snapshot: NodeSnapshot, now: datetime) -> tuple[Finding, ...]:
    """One finding for each place that this node's patching needs."""
    if snapshot.is_hybrid:
        return (not_ec2(CHECK, snapshot),)
    found = [
        _finding(snapshot, S3, reach_of(snapshot, to_s3, now)),
        _systems_manager(snapshot, now),
    ]
    if snapshot.platform == "windows":
        found.append(_microsoft(snapshot, reach_of(snapshot, to_internet, now)))
    return tuple(found)


def reach_of(snapshot: NodeSnapshot, way: Callable[[View], Reach], now: datetime) -> Reach:
    """The model's answer over all interfaces, held against the agent's last ping."""
    reach = _modelled(snapshot, way)
    if reach.way is Way.BLOCKED and _contradicted(snapshot, now):
        return replace(reach, way=Way.UNKNOWN, obstacle=Obstacle.CONTRADICTED)
    return reach


def _modelled(snapshot: NodeSnapshot, way: Callable[[View], Reach]) -> Reach:
    found = views(snapshot)
    if isinstance(found, Reach):
        return found
    return over_interfaces([way(view) for view in found])


def _contradicted(snapshot: NodeSnapshot, now: datetime) -> bool:
    """The agent answers although the model sees no way to Systems Manager."""
    return (
        agent.ping_is_fresh(snapshot.managed, now)
        and _modelled(snapshot, partial(to_service, service="ssm")).way is Way.BLOCKED
    )


# --------------------------------------------------------------------------- Systems Manager


def systems_manager(snapshot: NodeSnapshot, now: datetime) -> tuple[str, Reach]:
    """The way to Systems Manager as a whole, and the endpoint that decided it.

    ``ssm`` is always needed.  For messages an agent uses ``ssmmessages`` from 3.3.40.0 on and
    ``ec2messages`` before; where one of them is open, the other may be shut without harm to a
    newer agent.
    """
    found = {
        name: reach_of(snapshot, partial(to_service, service=name), now)
        for name in ("ssm", "ssmmessages", "ec2messages")
    }
    if found["ssm"].way is not Way.OPEN:
        return "ssm", found["ssm"]
    new, old = found["ssmmessages"], found["ec2messages"]
    if new.way is Way.BLOCKED and old.way is Way.BLOCKED:
        return "ssmmessages", new
    version = snapshot.managed.agent_version if snapshot.managed else None
    needs_old = agent.older(version, agent.WITHOUT_EC2MESSAGES_MIN)
    if needs_old is None:
        ways = {new.way, old.way}
        worse = ("ssmmessages", new) if new.way is not Way.OPEN else ("ec2messages", old)
        return worse if len(ways) == 1 else (worse[0], _unsure(worse[1]))
    if needs_old:
        return "ec2messages", old
    if new.way is Way.BLOCKED:
        # The agent falls back to ec2messages, as long as the Region still offers it.
        return "ssmmessages", _unsure(new)
    return "ssmmessages", new


def _unsure(reach: Reach) -> Reach:
    return replace(reach, way=Way.UNKNOWN) if reach.way is Way.BLOCKED else reach


def _systems_manager(snapshot: NodeSnapshot, now: datetime) -> Finding:
    name, reach = systems_manager(snapshot, now)
    if reach.way is Way.UNKNOWN and agent.ping_is_fresh(snapshot.managed, now) and name == "ssm":
        node = snapshot.node.node_id
        says = text(
            f"{node} answers Systems Manager, so its way there is open.",
            f"{node} は Systems Manager に応答しているため、経路は確保されています。",
        )
        return refutes(CHECK, "ssm-endpoint-unreachable", node, says, {"ping": "Online"})
    return _finding(snapshot, _service(name), reach)


# --------------------------------------------------------------------------- Microsoft


def _microsoft(snapshot: NodeSnapshot, reach: Reach) -> Finding:
    """Windows gets its updates from Microsoft, or from a WSUS that AWS cannot see."""
    if snapshot.wsus_configured and reach.way is not Way.OPEN:
        says = text(
            "The node has no way to Microsoft's update hosts and needs none: it uses a WSUS.",
            "ノードから Microsoft の更新サーバーへの経路はありませんが、WSUS "
            "を使用しているため不要です。",
        )
        return neutral(CHECK, MICROSOFT.cause, snapshot.node.node_id, says)
    return _finding(snapshot, MICROSOFT, reach)


# --------------------------------------------------------------------------- sentences


def _finding(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Finding:
    facts = {
        "to": goal.name["en"],
        "way": reach.way.value,
        "chain": " -> ".join((snapshot.node.node_id, *reach.chain)),
        "obstacle": reach.obstacle.value if reach.obstacle else "",
        "detail": reach.detail,
    }
    if reach.way is Way.OPEN:
        says = text(
            f"The way from {snapshot.node.node_id} to {goal.name['en']} is open: "
            f"{', '.join(reach.chain)}; security groups and network ACLs let HTTPS through.",
            f"{snapshot.node.node_id} から {goal.name['ja']}への経路は確保されています "
            f"({', '.join(reach.chain)})。セキュリティグループとネットワーク ACL も HTTPS "
            "を許可しています。",
        )
        return refutes(CHECK, goal.cause, reach.chain[-1], says, facts)
    assert reach.obstacle is not None
    if reach.obstacle is Obstacle.NOT_READ:
        what = text(
            f"Part of the way to {goal.name['en']} ({reach.resource})",
            f"{goal.name['ja']}への経路の一部 ({reach.resource})",
        )
        return replace(not_read(CHECK, goal.cause, snapshot, what, *NETWORK_CALLS), facts=facts)
    says, fix, commands = _tell(snapshot, goal, reach)
    if reach.way is Way.BLOCKED:
        return confirms(
            CHECK, goal.cause, reach.resource, says, fix=fix, commands=commands, facts=facts
        )
    return neutral(CHECK, goal.cause, reach.resource, says, fix=fix, commands=commands, facts=facts)


Told = tuple[Text, Text, tuple[str, ...]]


def _tell(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    """What was seen, what to do, what to type."""
    teller = _TELLERS.get(reach.obstacle) if reach.obstacle else None
    assert teller is not None, reach
    return teller(snapshot, goal, reach)


def _no_route(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    subnet, table = reach.chain[0], reach.resource
    if goal is not S3:
        return _no_way_out(snapshot, goal, subnet, table)
    says = text(
        f"Subnet {subnet} has no route to S3: its route table {table} has neither a gateway "
        "endpoint nor a NAT.",
        f"サブネット {subnet} から S3 への経路がありません。ルートテーブル {table} に"
        "ゲートウェイエンドポイントも NAT もありません。",
    )
    fix = text(
        f"Create an S3 gateway endpoint (free of charge) for {table} (VPC console: Endpoints, "
        "Create endpoint, S3 of type Gateway).",
        f"{table} に S3 のゲートウェイエンドポイント (無料) を作成してください (VPC コンソール: "
        "[エンドポイント] → [エンドポイントを作成] → タイプ Gateway の S3)。",
    )
    return says, fix, (_create_gateway(snapshot, table),)


def _no_way_out(snapshot: NodeSnapshot, goal: Goal, subnet: str, table: str) -> Told:
    region = snapshot.node.region
    default_route = (
        f"aws ec2 create-route --region {region} --route-table-id {table} "
        "--destination-cidr-block 0.0.0.0/0 --nat-gateway-id NAT"
    )
    if goal is MICROSOFT:
        says = text(
            f"Subnet {subnet} has no route to the internet (route table {table}), so Windows "
            "cannot reach Microsoft's update hosts; AWS offers no endpoint for them.",
            f"サブネット {subnet} にはインターネットへの経路がないため (ルートテーブル {table})、"
            "Windows は Microsoft の更新サーバーに接続できません。AWS "
            "にはその代わりとなるエンドポイントはありません。",
        )
        fix = text(
            f"Route 0.0.0.0/0 of {table} to a NAT gateway (replace NAT by its id), or let the "
            "node use a WSUS inside the network.",
            f"{table} の 0.0.0.0/0 を NAT ゲートウェイに向けるか (NAT は実際の ID に置き換え)、"
            "ネットワーク内の WSUS を使用してください。",
        )
        return says, fix, (default_route,)
    service = goal.name["en"].split()[1]
    says = text(
        f"Subnet {subnet} has no way to {goal.name['en']}: the VPC has no interface endpoint for "
        f"it, and route table {table} has no NAT.",
        f"サブネット {subnet} から {goal.name['ja']}への経路がありません。VPC "
        "にインターフェイスエンドポイントがなく、"
        f"ルートテーブル {table} に NAT もありません。",
    )
    fix = text(
        f"Create an interface endpoint for {service} with private DNS on (replace GROUP by a "
        "security group that lets HTTPS in from the node), or give the subnet a NAT.",
        f"プライベート DNS を有効にして {service} のインターフェイスエンドポイントを作成するか "
        "(GROUP はノードからの "
        "HTTPS を許可するセキュリティグループに置き換え)、サブネットに NAT を用意してください。",
    )
    create = (
        f"aws ec2 create-vpc-endpoint --region {region} --vpc-id {_vpc(snapshot)} "
        f"--vpc-endpoint-type Interface --service-name com.amazonaws.{region}.{service} "
        f"--subnet-ids {subnet} --security-group-ids GROUP --private-dns-enabled"
    )
    return says, fix, (create,)


def _create_gateway(snapshot: NodeSnapshot, table: str) -> str:
    region = snapshot.node.region
    return (
        f"aws ec2 create-vpc-endpoint --region {region} --vpc-id {_vpc(snapshot)} "
        f"--vpc-endpoint-type Gateway --service-name com.amazonaws.{region}.s3 "
        f"--route-table-ids {table}"
    )


def _vpc(snapshot: NodeSnapshot) -> str:
    return snapshot.network.vpc_id if snapshot.network else "VPC"


def _not_associated(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    subnet, table, endpoint = reach.chain[0], reach.resource, reach.detail
    says = text(
        f"Subnet {subnet} has no route to S3: the VPC's gateway endpoint {endpoint} is not "
        f"associated with its route table {table}, which has no NAT either.",
        f"サブネット {subnet} から S3 への経路がありません。VPC のゲートウェイエンドポイント "
        f"{endpoint} が"
        f"ルートテーブル {table} に関連付けられておらず、NAT もありません。",
    )
    fix = text(
        f"Associate {endpoint} with {table} (VPC console: Endpoints, {endpoint}, Manage route "
        "tables).",
        f"{endpoint} を {table} に関連付けてください (VPC コンソール: [エンドポイント] → "
        f"{endpoint} → "
        "[ルートテーブルを管理])。",
    )
    command = (
        f"aws ec2 modify-vpc-endpoint --region {snapshot.node.region} "
        f"--vpc-endpoint-id {endpoint} --add-route-table-ids {table}"
    )
    return says, fix, (command,)


def _blackhole(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    table, target = reach.resource, reach.detail
    says = text(
        f"Route table {table} of subnet {reach.chain[0]} sends traffic to {goal.name['en']} into "
        f"a black hole: its target {target} no longer exists.",
        f"サブネット {reach.chain[0]} のルートテーブル {table} では、{goal.name['ja']}への経路が"
        f"ブラックホールになっています。ターゲットの {target} はすでに存在しません。",
    )
    fix = text(
        "Replace the route's target by a NAT gateway that is alive (replace NAT by its id).",
        "ルートのターゲットを、利用可能な NAT ゲートウェイに変更してください (NAT は実際の ID "
        "に置き換え)。",
    )
    return says, fix, (_replace_route(snapshot, table),)


def _replace_route(snapshot: NodeSnapshot, table: str) -> str:
    return (
        f"aws ec2 replace-route --region {snapshot.node.region} --route-table-id {table} "
        "--destination-cidr-block 0.0.0.0/0 --nat-gateway-id NAT"
    )


def _no_public_address(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    interface, gateway = reach.resource, reach.detail
    region = snapshot.node.region
    says = text(
        f"Route table {reach.chain[1]} leads to internet gateway {gateway}, but interface "
        f"{interface} has no public address, so no answer from {goal.name['en']} can come back.",
        f"ルートテーブル {reach.chain[1]} はインターネットゲートウェイ {gateway} に向いていますが、"
        f"インターフェイス {interface} にパブリックアドレスがないため、{goal.name['ja']}と通"
        "信できません。",
    )
    fix = text(
        "Give the interface an Elastic IP address, or move the node behind a NAT gateway.",
        "インターフェイスに Elastic IP アドレスを割り当てるか、ノードを NAT "
        "ゲートウェイの配下に移してください。",
    )
    commands = (
        f"aws ec2 allocate-address --region {region} --domain vpc",
        f"aws ec2 associate-address --region {region} --network-interface-id {interface} "
        "--allocation-id ALLOCATION",
    )
    return says, fix, commands


def _nat(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    region, chain = snapshot.node.region, reach.chain
    nat = next((c for c in chain if c.startswith("nat-")), reach.resource)
    look = f"aws ec2 describe-nat-gateways --region {region} --nat-gateway-ids {nat}"
    if reach.obstacle is Obstacle.NAT_WITHOUT_INTERNET:
        says = text(
            f"NAT gateway {nat} cannot reach the internet: route table {reach.resource} of its "
            "own subnet has no internet gateway.",
            f"NAT ゲートウェイ {nat} はインターネットに接続できません。"
            "配置先サブネットのルートテーブル "
            f"{reach.resource} にインターネットゲートウェイへのルートがありません。",
        )
        fix = text(
            f"Route 0.0.0.0/0 of {reach.resource} to the VPC's internet gateway (replace IGW).",
            f"{reach.resource} の 0.0.0.0/0 を VPC のインターネットゲートウェイに向けてください "
            "(IGW は実際の ID に置き換え)。",
        )
        route = (
            f"aws ec2 create-route --region {region} --route-table-id {reach.resource} "
            "--destination-cidr-block 0.0.0.0/0 --gateway-id IGW"
        )
        return says, fix, (route,)
    why = (
        ("is private", "プライベート型です")
        if reach.obstacle is Obstacle.NAT_PRIVATE
        else (f"is {reach.detail}", f"{reach.detail} 状態です")
    )
    says = text(
        f"The way to {goal.name['en']} goes through NAT gateway {nat}, which {why[0]}.",
        f"{goal.name['ja']}への経路にある NAT ゲートウェイ {nat} は{why[1]}。",
    )
    fix = text(
        "Create a public NAT gateway in a public subnet and point the route at it (replace NAT).",
        "パブリックサブネットにパブリック型の NAT ゲートウェイを作成し、ルートを向けてください "
        "(NAT は実際の ID に置き換え)。",
    )
    return says, fix, (look, _replace_route(snapshot, chain[1]))


def _egress(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    groups = reach.resource.split(",")
    says = text(
        f"The node's security group {', '.join(groups)} lets no HTTPS (TCP 443) out to "
        f"{goal.name['en']}.",
        f"ノードのセキュリティグループ {', '.join(groups)} のアウトバウンドルールが、"
        f"{goal.name['ja']}への "
        "HTTPS (TCP 443) を許可していません。",
    )
    fix = text(
        "Allow TCP 443 out (EC2 console: Security Groups, Outbound rules). Narrow 0.0.0.0/0 to "
        "the S3 prefix list or the endpoint's group where you can.",
        "TCP 443 のアウトバウンドを許可してください (EC2 コンソール: [セキュリティグループ] → "
        "[アウトバウンドルール])。可能であれば S3 のプレフィックスリストやエンドポイントの"
        "セキュリティグループに限定します。",
    )
    command = (
        f"aws ec2 authorize-security-group-egress --region {snapshot.node.region} "
        f"--group-id {groups[0]} --ip-permissions "
        "IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges='[{CidrIp=0.0.0.0/0}]'"
    )
    return says, fix, (command,)


def _endpoint_group(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    group, endpoint = reach.resource.split(",")[0], reach.detail
    source = _source_group(snapshot)
    says = text(
        f"Endpoint {endpoint} does not let the node in: its security group {reach.resource} "
        "admits no HTTPS (TCP 443) from it.",
        f"エンドポイント {endpoint} のセキュリティグループ {reach.resource} が、ノードからの "
        "HTTPS (TCP 443) を許可していません。",
    )
    fix = text(
        f"Allow TCP 443 into {group} from the node's security group {source} (EC2 console: "
        "Security Groups, Inbound rules).",
        f"ノードのセキュリティグループ {source} から {group} への TCP 443 を許可してください "
        "(EC2 コンソール: [セキュリティグループ] → [インバウンドルール])。",
    )
    command = (
        f"aws ec2 authorize-security-group-ingress --region {snapshot.node.region} "
        f"--group-id {group} --protocol tcp --port 443 --source-group {source}"
    )
    return says, fix, (command,)


def _source_group(snapshot: NodeSnapshot) -> str:
    interfaces = snapshot.instance.interfaces if snapshot.instance else ()
    return next((g for i in interfaces for g in i.group_ids), "GROUP")


def _acl(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    acl, ports = reach.resource, reach.detail
    out = reach.obstacle is Obstacle.ACL_OUT
    way = ("out of", "からのアウトバウンド") if out else ("into", "へのインバウンド")
    first, _, last = ports.partition("-")
    says = text(
        f"Network ACL {acl} blocks TCP {ports} {way[0]} its subnet, which HTTPS to "
        f"{goal.name['en']} needs.",
        f"ネットワーク ACL {acl} がサブネット{way[1]}の TCP {ports} をブロックしています。"
        f"{goal.name['ja']}への HTTPS 通信に必要です。",
    )
    fix = text(
        f"Allow TCP {ports} {way[0]} the subnet with a rule number below the one that denies it "
        "(replace NUMBER; VPC console: Network ACLs).",
        f"拒否ルールより小さい番号で TCP {ports} を許可してください (NUMBER "
        "は実際の番号に置き換え。"
        "VPC コンソール: [ネットワーク ACL])。",
    )
    command = (
        f"aws ec2 create-network-acl-entry --region {snapshot.node.region} "
        f"--network-acl-id {acl} --rule-number NUMBER --protocol tcp "
        f"--port-range From={first},To={last or first} --cidr-block 0.0.0.0/0 "
        f"--rule-action allow {'--egress' if out else '--ingress'}"
    )
    return says, fix, (command,)


def _private_dns_off(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    endpoint, service = reach.resource, reach.detail
    says = text(
        f"Endpoint {endpoint} for {service} has private DNS off, and subnet {reach.chain[0]} has "
        "no other way there; only a private hosted zone of your own could still lead to it.",
        f"{service} のエンドポイント {endpoint} はプライベート DNS が無効で、サブネット "
        f"{reach.chain[0]} には"
        "他の経路がありません。独自のプライベートホストゾーンがない限り到達できません。",
    )
    fix = text(
        f"Switch private DNS on for {endpoint} (VPC console: Endpoints, Modify private DNS name).",
        f"{endpoint} のプライベート DNS を有効にしてください (VPC コンソール: [エンドポイント] → "
        "[プライベート DNS 名を変更])。",
    )
    command = (
        f"aws ec2 modify-vpc-endpoint --region {snapshot.node.region} "
        f"--vpc-endpoint-id {endpoint} --private-dns-enabled"
    )
    return says, fix, (command,)


def _endpoint_state(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    endpoint = reach.resource
    says = text(
        f"Endpoint {endpoint}, on the way to {goal.name['en']}, is in the state {reach.detail}.",
        f"{goal.name['ja']}への経路にあるエンドポイント {endpoint} の状態は {reach.detail} です。",
    )
    fix = text(
        "Wait until it is available, or create it again.",
        "利用可能になるまで待つか、作成し直してください。",
    )
    command = (
        f"aws ec2 describe-vpc-endpoints --region {snapshot.node.region} "
        f"--vpc-endpoint-ids {endpoint}"
    )
    return says, fix, (command,)


def _beyond(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    says = text(
        f"The way to {goal.name['en']} leaves the VPC through {reach.detail or reach.resource}; "
        "what lies behind it cannot be seen from here.",
        f"{goal.name['ja']}への経路は {reach.detail or reach.resource} を通って VPC の外に出ます。"
        "その先はここからは確認できません。",
    )
    fix = text(
        "Check the network behind it (firewall, NAT, shared endpoints), or test from the node.",
        "その先のネットワーク (ファイアウォール、NAT、共有エンドポイント) を確認するか、"
        "ノードから疎通を"
        "確認してください。",
    )
    return says, fix, ()


def _doubt(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    """Rules that cover part of the addresses, custom DNS, IPv6, or an agent that answers."""
    reasons = {
        Obstacle.PARTLY: (
            "the rules on the way cover only part of the addresses or interfaces",
            "経路上のルールが対象アドレスやインターフェイスの一部にしか当てはまりません",
        ),
        Obstacle.CUSTOM_DNS: (
            "the VPC uses its own DNS servers, which may or may not know the endpoint's name",
            "VPC が独自の DNS サーバーを使用しており、エンドポイントの名前を解決できるか不明です",
        ),
        Obstacle.IPV6: (
            "the node also (or only) speaks IPv6, which this check does not follow",
            "ノードが IPv6 を使用しており、このチェックでは追跡できません",
        ),
        Obstacle.CONTRADICTED: (
            "the VPC shows no way to Systems Manager and yet the agent answers, so a proxy or a "
            "shared endpoint must exist",
            "VPC には Systems Manager への経路が見当たらないのにエージェントは応答しており、"
            "プロキシや"
            "共有エンドポイントがあると考えられます",
        ),
    }
    assert reach.obstacle is not None
    en, ja = reasons[reach.obstacle]
    says = text(
        f"Whether the way to {goal.name['en']} is open cannot be told: {en}.",
        f"{goal.name['ja']}への経路が確保されているかは判断できません。{ja}。",
    )
    fix = text(
        f"Test from the node, and look at {reach.resource}.",
        f"ノードから疎通を確認し、{reach.resource} の設定を確認してください。",
    )
    return says, fix, ()


_TELLERS: dict[Obstacle, Callable[[NodeSnapshot, Goal, Reach], Told]] = {
    Obstacle.NO_ROUTE: _no_route,
    Obstacle.ENDPOINT_NOT_ASSOCIATED: _not_associated,
    Obstacle.BLACKHOLE: _blackhole,
    Obstacle.NO_PUBLIC_ADDRESS: _no_public_address,
    Obstacle.NAT_DOWN: _nat,
    Obstacle.NAT_PRIVATE: _nat,
    Obstacle.NAT_WITHOUT_INTERNET: _nat,
    Obstacle.GROUP_EGRESS: _egress,
    Obstacle.ENDPOINT_GROUP: _endpoint_group,
    Obstacle.ACL_OUT: _acl,
    Obstacle.ACL_IN: _acl,
    Obstacle.PRIVATE_DNS_OFF: _private_dns_off,
    Obstacle.ENDPOINT_STATE: _endpoint_state,
    Obstacle.OTHER_WAY: _beyond,
    Obstacle.PARTLY: _doubt,
    Obstacle.CUSTOM_DNS: _doubt,
    Obstacle.IPV6: _doubt,
    Obstacle.CONTRADICTED: _doubt,
}
