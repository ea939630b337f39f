"""What ``network-path`` says of each obstacle: what was seen, what to do, what to type.

Here: the sentences and commands, one function for a kind of obstacle.  Not here: which way is
asked for and what its answer means for a cause (``network``), the model itself (``reach``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from patchmedic.checks.aws.findings import text
from patchmedic.checks.aws.reach import Obstacle, Reach
from patchmedic.checks.aws.snapshot import NodeSnapshot
from patchmedic.model import Text


@dataclass(frozen=True, slots=True)
class Goal:
    """Somewhere that patching has to get to, and the cause when it cannot."""

    cause: str
    name: Text


S3 = Goal("s3-unreachable", text("S3", "S3"))
MICROSOFT = Goal("wu-unreachable", text("Microsoft's update hosts", "Microsoft の更新サーバー"))


def service_goal(name: str) -> Goal:
    return Goal("ssm-endpoint-unreachable", text(f"the {name} endpoint", f"{name} エンドポイント"))


def bucket_goal(bucket: str, region: str) -> Goal:
    """A bucket of the customer's own, in another Region than the node's."""
    name = text(f"bucket {bucket} in {region}", f"{region} のバケット {bucket}")
    return Goal("s3-unreachable", name)


def _six(snapshot: NodeSnapshot) -> bool:
    """The node speaks IPv6 only, so that commands have to name IPv6 blocks."""
    interfaces = snapshot.instance.interfaces if snapshot.instance else ()
    return bool(interfaces) and all(i.private_ip is None for i in interfaces)


Told = tuple[Text, Text, tuple[str, ...]]


def tell(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    """What was seen, what to do, what to type."""
    teller = _TELLERS.get(reach.obstacle) if reach.obstacle else None
    assert teller is not None, reach
    return teller(snapshot, goal, reach)


def _no_route(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    subnet, table = reach.chain[0], reach.resource
    if _six(snapshot):
        return _no_way_out6(snapshot, goal, subnet, table)
    if goal.cause != S3.cause:
        return _no_way_out(snapshot, goal, subnet, table)
    if goal is not S3:
        return _no_way_abroad(snapshot, goal, subnet, table)
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


def _no_way_abroad(snapshot: NodeSnapshot, goal: Goal, subnet: str, table: str) -> Told:
    says = text(
        f"Subnet {subnet} has no route to {goal.name['en']}: its route table {table} has no NAT, "
        "and a gateway endpoint would serve its own Region only.",
        f"サブネット {subnet} から{goal.name['ja']}への経路がありません。ルートテーブル {table} に "
        "NAT がなく、ゲートウェイエンドポイントは自リージョンの S3 にしか使えません。",
    )
    return says, _nat_fix(table), (_create_route(snapshot, table, "--nat-gateway-id NAT"),)


def _nat_fix(table: str) -> Text:
    return text(
        f"Keep the object in a bucket of the node's own Region, or route 0.0.0.0/0 of {table} to "
        "a NAT gateway (replace NAT by its id; VPC console: Route tables, Edit routes).",
        f"オブジェクトをノードと同じリージョンのバケットに置くか、{table} の 0.0.0.0/0 を NAT "
        "ゲートウェイに向けてください (NAT は実際の ID に置き換え。VPC コンソール: "
        "[ルートテーブル] → [ルートを編集])。",
    )


def _create_route(snapshot: NodeSnapshot, table: str, target: str) -> str:
    block = (
        "--destination-ipv6-cidr-block ::/0"
        if target.startswith("--egress-only")
        else "--destination-cidr-block 0.0.0.0/0"
    )
    region = snapshot.node.region
    return f"aws ec2 create-route --region {region} --route-table-id {table} {block} {target}"


def _no_way_out6(snapshot: NodeSnapshot, goal: Goal, subnet: str, table: str) -> Told:
    says = text(
        f"The node has IPv6 only, and route table {table} of its subnet {subnet} has no IPv6 "
        f"route to {goal.name['en']}.",
        f"ノードには IPv6 アドレスしかなく、サブネット {subnet} のルートテーブル {table} には"
        f"{goal.name['ja']}への IPv6 ルートがありません。",
    )
    fix = text(
        f"Route ::/0 of {table} to an egress-only internet gateway (replace EIGW by its id; VPC "
        "console: Route tables, Edit routes) and use the dual-stack names (api.aws). Hosts with "
        "IPv4 addresses only also need DNS64 and a route of 64:ff9b::/96 to a NAT gateway.",
        f"{table} の ::/0 を Egress-Only インターネットゲートウェイに向け (EIGW は実際の ID "
        "に置き換え。VPC コンソール: [ルートテーブル] → [ルートを編集])、デュアルスタックの名前 "
        "(api.aws) を使用してください。IPv4 アドレスしか持たないホストに接続するには、DNS64 と、"
        "64:ff9b::/96 を NAT ゲートウェイに向けるルートも必要です。",
    )
    target = "--egress-only-internet-gateway-id EIGW"
    return says, fix, (_create_route(snapshot, table, target),)


def _no_way_out(snapshot: NodeSnapshot, goal: Goal, subnet: str, table: str) -> Told:
    default_route = _create_route(snapshot, table, "--nat-gateway-id NAT")
    if goal.cause not in (MICROSOFT.cause, "ssm-endpoint-unreachable"):
        says = text(
            f"Subnet {subnet} has no route to {goal.name['en']} (route table {table}).",
            f"サブネット {subnet} から{goal.name['ja']}への経路がありません "
            f"(ルートテーブル {table})。",
        )
        fix = text(
            f"Route 0.0.0.0/0 of {table} to a NAT gateway (replace NAT by its id; VPC console: "
            "Route tables, Edit routes), or use a mirror or a proxy inside the network.",
            f"{table} の 0.0.0.0/0 を NAT ゲートウェイに向けるか (NAT は実際の ID に置き換え。VPC "
            "コンソール: [ルートテーブル] → [ルートを編集])、ネットワーク内のミラーやプロキシ"
            "を使用してください。",
        )
        return says, fix, (default_route,)
    if goal is MICROSOFT:
        says = text(
            f"Subnet {subnet} has no route to the internet (route table {table}), so Windows "
            "cannot reach Microsoft's update hosts; AWS offers no endpoint for them.",
            f"サブネット {subnet} にはインターネットへの経路がないため (ルートテーブル {table})、"
            "Windows は Microsoft の更新サーバーに接続できません。AWS "
            "にはその代わりとなるエンドポイントはありません。",
        )
        fix = text(
            f"Route 0.0.0.0/0 of {table} to a NAT gateway (replace NAT by its id; VPC console: "
            "Route tables, Edit routes), or let the node use a WSUS inside the network.",
            f"{table} の 0.0.0.0/0 を NAT ゲートウェイに向けるか (NAT は実際の ID に置き換え。VPC "
            "コンソール: [ルートテーブル] → [ルートを編集])、ネットワーク内の WSUS "
            "を使用してください。",
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
        "security group that lets HTTPS in from the node; VPC console: Endpoints, Create "
        "endpoint), or give the subnet a NAT.",
        f"プライベート DNS を有効にして {service} のインターフェイスエンドポイントを作成するか "
        "(GROUP はノードからの "
        "HTTPS を許可するセキュリティグループに置き換え。VPC コンソール: [エンドポイント] → "
        "[エンドポイントを作成])、サブネットに NAT を用意してください。",
    )
    return says, fix, (_create_interface(snapshot, subnet, service),)


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
        "Replace the route's target by a gateway that is alive (replace the word in capitals by "
        "its id; VPC console: Route tables, Edit routes).",
        "ルートのターゲットを、利用可能なゲートウェイに変更してください (大文字の語は実際の ID "
        "に置き換え。VPC コンソール: [ルートテーブル] → [ルートを編集])。",
    )
    return says, fix, (_replace_route(snapshot, table),)


def _replace_route(snapshot: NodeSnapshot, table: str) -> str:
    target = "--destination-cidr-block 0.0.0.0/0 --nat-gateway-id NAT"
    if _six(snapshot):
        target = "--destination-ipv6-cidr-block ::/0 --egress-only-internet-gateway-id EIGW"
    region = snapshot.node.region
    return f"aws ec2 replace-route --region {region} --route-table-id {table} {target}"


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
        "Give the interface an Elastic IP address (EC2 console: Elastic IPs, Allocate, then "
        "Associate), or move the node behind a NAT gateway.",
        "インターフェイスに Elastic IP アドレスを割り当てるか (EC2 コンソール: [Elastic IP] → "
        "[割り当て] → [関連付け])、ノードを NAT ゲートウェイの配下に移してください。",
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
            f"Route 0.0.0.0/0 of {reach.resource} to the VPC's internet gateway (replace IGW by "
            "its id; VPC console: Route tables, Edit routes).",
            f"{reach.resource} の 0.0.0.0/0 を VPC のインターネットゲートウェイに向けてください "
            "(IGW は実際の ID に置き換え。VPC コンソール: [ルートテーブル] → [ルートを編集])。",
        )
        return says, fix, (_create_route(snapshot, reach.resource, "--gateway-id IGW"),)
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
        "Create a public NAT gateway in a public subnet (VPC console: NAT gateways, Create) and "
        "point the route at it (replace NAT by its id).",
        "パブリックサブネットにパブリック型の NAT ゲートウェイを作成し (VPC コンソール: [NAT "
        "ゲートウェイ] → [NAT ゲートウェイを作成])、ルートを向けてください "
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
    ranges = (
        "Ipv6Ranges='[{CidrIpv6=::/0}]'" if _six(snapshot) else "IpRanges='[{CidrIp=0.0.0.0/0}]'"
    )
    command = (
        f"aws ec2 authorize-security-group-egress --region {snapshot.node.region} "
        f"--group-id {groups[0]} --ip-permissions "
        f"IpProtocol=tcp,FromPort=443,ToPort=443,{ranges}"
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
    block = "--ipv6-cidr-block ::/0" if _six(snapshot) else "--cidr-block 0.0.0.0/0"
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
        f"--port-range From={first},To={last or first} {block} "
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
        "Wait until it is available, or create it again (VPC console: Endpoints).",
        "利用可能になるまで待つか、作成し直してください (VPC コンソール: [エンドポイント])。",
    )
    command = (
        f"aws ec2 describe-vpc-endpoints --region {snapshot.node.region} "
        f"--vpc-endpoint-ids {endpoint}"
    )
    return says, fix, (command,)


_KINDS = {
    "tgw-": ("transit gateway", "Transit Gateway"),
    "vgw-": ("virtual private gateway", "仮想プライベートゲートウェイ"),
    "pcx-": ("peering connection", "VPC ピアリング接続"),
    "eni-": ("network interface", "ネットワークインターフェイス"),
    "i-": ("instance", "インスタンス"),
    "vpce-": ("endpoint", "エンドポイント"),
    "lgw-": ("local gateway", "ローカルゲートウェイ"),
    "cagw-": ("carrier gateway", "キャリアゲートウェイ"),
    "nat-": ("NAT gateway", "NAT ゲートウェイ"),
}
"""What stands behind a route that leaves the VPC, by how its id begins."""


def _beyond(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    named = reach.detail or reach.resource
    kind = next((k for start, k in _KINDS.items() if named.startswith(start)), ("target", "宛先"))
    says = text(
        f"The way to {goal.name['en']} leaves the VPC through the {kind[0]} {named}; what lies "
        "behind it cannot be seen from here.",
        f"{goal.name['ja']}への経路は{kind[1]} {named} を通って VPC の外に出ます。"
        "その先はここからは確認できません。",
    )
    fix = text(
        "Check the network behind it (firewall, NAT, shared endpoints; a gateway endpoint does "
        "not serve other networks), or test from the node.",
        "その先のネットワーク (ファイアウォール、NAT、共有エンドポイント) を確認するか、"
        "ノードから疎通を確認してください。ゲートウェイエンドポイントは他のネットワークからは"
        "利用できません。",
    )
    return says, fix, ()


def _wrong_region(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    region = snapshot.node.region
    if goal.cause == S3.cause:
        table, endpoint = reach.resource, reach.detail
        says = text(
            f"Subnet {reach.chain[0]} has no route to {goal.name['en']}: its gateway endpoint "
            f"{endpoint} serves S3 of {region} only, and route table {table} has no NAT.",
            f"サブネット {reach.chain[0]} から{goal.name['ja']}への経路がありません。"
            f"ゲートウェイエンドポイント {endpoint} は {region} の S3 にしか使えず、ルートテーブル "
            f"{table} に NAT もありません。",
        )
        return says, _nat_fix(table), (_create_route(snapshot, table, "--nat-gateway-id NAT"),)
    subnet, endpoint, service = reach.chain[0], reach.resource, goal.name["en"].split()[1]
    says = text(
        f"Endpoint {endpoint} leads to {service} of {reach.detail}, but the node is in {region}; "
        f"subnet {subnet} has no way to {goal.name['en']} of its own Region.",
        f"エンドポイント {endpoint} は {reach.detail} の {service} のものですが、ノードは {region} "
        f"にあります。サブネット {subnet} から自リージョンの{goal.name['ja']}"
        "への経路がありません。",
    )
    fix = text(
        f"Create an endpoint for {service} of {region} with private DNS on (replace GROUP by a "
        "security group that lets HTTPS in from the node; VPC console: Endpoints, Create "
        "endpoint).",
        f"{region} の {service} のエンドポイントを、プライベート DNS を有効にして作成してください "
        "(GROUP はノードからの HTTPS を許可するセキュリティグループに置き換え。VPC コンソール: "
        "[エンドポイント] → [エンドポイントを作成])。",
    )
    return says, fix, (_create_interface(snapshot, subnet, service),)


def _create_interface(snapshot: NodeSnapshot, subnet: str, service: str) -> str:
    region = snapshot.node.region
    return (
        f"aws ec2 create-vpc-endpoint --region {region} --vpc-id {_vpc(snapshot)} "
        f"--vpc-endpoint-type Interface --service-name com.amazonaws.{region}.{service} "
        f"--subnet-ids {subnet} --security-group-ids GROUP --private-dns-enabled"
    )


def _ipv4_only(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    endpoint, service = reach.resource, reach.detail
    says = text(
        f"The node has IPv6 only, but endpoint {endpoint} for {service} has IPv4 addresses only, "
        f"and subnet {reach.chain[0]} has no other way to {goal.name['en']}.",
        f"ノードには IPv6 アドレスしかありませんが、{service} のエンドポイント {endpoint} は IPv4 "
        f"のみに対応しており、サブネット {reach.chain[0]} から{goal.name['ja']}"
        "への他の経路もありません。",
    )
    fix = text(
        f"Make {endpoint} dual-stack (VPC console: Endpoints, Modify endpoint settings, IP address "
        "type; its subnets need IPv6 blocks).",
        f"{endpoint} の IP アドレスタイプをデュアルスタックに変更してください (VPC コンソール: "
        "[エンドポイント] → [エンドポイント設定の変更]。サブネットに IPv6 ブロックが必要です)。",
    )
    command = (
        f"aws ec2 modify-vpc-endpoint --region {snapshot.node.region} "
        f"--vpc-endpoint-id {endpoint} --ip-address-type dualstack"
    )
    return says, fix, (command,)


def _vpc_dns(snapshot: NodeSnapshot, goal: Goal, reach: Reach) -> Told:
    vpc, endpoint, region = reach.resource, reach.detail, snapshot.node.region
    says = text(
        f"Endpoint {endpoint} has private DNS, but VPC {vpc} has DNS resolution or DNS hostnames "
        f"off, so its names do not lead there; {goal.name['en']} has no other way.",
        f"エンドポイント {endpoint} のプライベート DNS は有効ですが、VPC {vpc} の DNS 解決または "
        f"DNS ホスト名が無効なため、名前が解決されません。{goal.name['ja']}"
        "への他の経路もありません。",
    )
    fix = text(
        f"Switch both on for {vpc} (VPC console: Your VPCs, Actions, Edit VPC settings).",
        f"{vpc} で両方を有効にしてください (VPC コンソール: [お使いの VPC] → [アクション] → [VPC "
        "の設定を編集])。",
    )
    commands = tuple(
        f"aws ec2 modify-vpc-attribute --region {region} --vpc-id {vpc} --{name}"
        for name in ("enable-dns-support", "enable-dns-hostnames")
    )
    return says, fix, commands


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
            "IPv4 is blocked, but the node also speaks IPv6 and that way is not; it is used only "
            "where agent and tools ask for dual-stack names (api.aws, s3.dualstack)",
            "IPv4 は遮断されていますが IPv6 の経路は遮断されていません。IPv6 が使われるのは、"
            "エージェントやツールがデュアルスタックの名前 (api.aws、s3.dualstack) "
            "を使用する場合だけです",
        ),
        Obstacle.IPV6_ONLY: (
            "the node has IPv6 only and its way out is open, but hosts with IPv4 addresses only "
            "need DNS64 and a NAT gateway",
            "ノードには IPv6 アドレスしかなく、IPv6 の経路は確保されていますが、IPv4 "
            "アドレスしか持たないホストには DNS64 と NAT ゲートウェイが必要です",
        ),
        Obstacle.DUAL_STACK_NAME: (
            "the node has IPv6 only, and whether its endpoint answers to the dual-stack names is "
            "not known",
            "ノードには IPv6 アドレスしかなく、"
            "エンドポイントがデュアルスタックの名前に応答するか不明です",
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
    Obstacle.ENDPOINT_IPV4_ONLY: _ipv4_only,
    Obstacle.WRONG_REGION: _wrong_region,
    Obstacle.VPC_DNS_OFF: _vpc_dns,
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
    Obstacle.IPV6_ONLY: _doubt,
    Obstacle.DUAL_STACK_NAME: _doubt,
    Obstacle.CONTRADICTED: _doubt,
}
