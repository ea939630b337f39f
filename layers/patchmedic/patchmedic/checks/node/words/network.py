"""What the checks say about names, certificates, proxies, and the reach of S3 and SSM.

Data only; the shapes and the rules for it are in ``shapes``.
"""

from __future__ import annotations

from collections.abc import Mapping

from patchmedic.checks.node.words.shapes import Advice, Special, Words, t

_SHOW_SIGNER = (
    "openssl s_client -connect ssm.<REGION>.amazonaws.com:443 -servername"
    " ssm.<REGION>.amazonaws.com </dev/null 2>/dev/null | openssl x509 -noout -issuer -subject"
    " -dates"
)
_WINHTTP_PROXY = "netsh winhttp show proxy"
_AGENT_PROXY_LINUX = "systemctl show amazon-ssm-agent -p Environment -p EnvironmentFiles"
_AGENT_PROXY_MACOS = "plutil -p /Library/LaunchDaemons/com.amazon.aws.ssm.plist"
_AGENT_PROXY_WINDOWS = (
    r"(Get-Item HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent).GetValue('Environment')"
)
_PROXY_FILES = (
    "grep -rin proxy /etc/environment /etc/profile.d /etc/apt/apt.conf.d /etc/yum.conf"
    " /etc/dnf/dnf.conf /etc/sysconfig/proxy 2>/dev/null"
)
_SHOW_CHAIN = (
    "openssl s_client -connect s3.<REGION>.amazonaws.com:443 -servername"
    " s3.<REGION>.amazonaws.com </dev/null | head -n 20"
)
_ASK_PROXY = (
    "curl -sv -m 10 -x http://<PROXY>:<PORT> -o /dev/null https://s3.<REGION>.amazonaws.com/"
)

WORDS: Mapping[str, Words] = {
    "dns": Words(
        ok=t(
            "The host names of AWS resolve ({host}: {addresses}).",
            "AWS のホスト名を解決できます（{host}: {addresses}）。",
        ),
        bad=t(
            "The name {host} does not resolve: {error} (resolvers: {servers}).",
            "ホスト名 {host} を解決できません（{error}、リゾルバー: {servers}）。",
        ),
    ),
    "tls": Words(
        ok=t(
            "The node trusts the certificate of {host} (signed by {issuer}, {protocol}).",
            "{host} の証明書は信頼されています（発行元: {issuer}、{protocol}）。",
        ),
        bad=t(
            "The node does not accept the TLS connection to {host}: {error} (certificate signed by"
            " {issuer}, trusted: {trusted}, protocol: {protocol}).",
            "{host} への TLS 接続が受け入れられません（{error}、証明書の発行元: {issuer}、信頼:"
            " {trusted}、プロトコル: {protocol}）。",
        ),
        special={
            "intercepted": Special(
                t(
                    "The certificate of {host} is signed by {issuer}, not by Amazon: something on"
                    " the way opens the connections and signs them anew. The node trusts it; a"
                    " program with root certificates of its own may not.",
                    "{host} の証明書の発行元は Amazon ではなく {issuer} です。経路上の機器が通信を"
                    "復号し、署名し直しています。ノードはこの発行元を信頼していますが、独自の"
                    "ルート証明書を使うプログラムは信頼しない場合があります。",
                ),
                Advice(
                    t(
                        "Exempt the hosts of AWS (*.amazonaws.com, *.api.aws) from the inspection"
                        " of TLS in the proxy or firewall.",
                        "プロキシやファイアウォールの TLS 検査で、AWS のホスト（*.amazonaws.com、"
                        "*.api.aws）を対象外にしてください。",
                    ),
                    {
                        "linux": (_SHOW_SIGNER,),
                        "macos": (_SHOW_SIGNER,),
                        "windows": (
                            r"Get-ChildItem Cert:\LocalMachine\Root | Sort-Object NotBefore"
                            " -Descending | Select-Object -First 10 Subject, NotBefore",
                        ),
                    },
                ),
            ),
            "roots-missing": Special(
                t(
                    "The node trusts the certificate of {host} (signed by {issuer}), but lacks root"
                    " certificates of Amazon that other hosts of AWS may need: {roots_missing}.",
                    "{host} の証明書は信頼されていますが（発行元: {issuer}）、AWS のほかのホストで"
                    "必要になる可能性がある Amazon のルート証明書がありません: {roots_missing}",
                ),
                Advice(
                    t(
                        "Update the root certificates of the system.",
                        "システムのルート証明書を更新してください。",
                    ),
                    {
                        "linux": (
                            "sudo apt-get install --only-upgrade ca-certificates || sudo dnf update"
                            " ca-certificates || sudo yum update ca-certificates",
                        ),
                        "macos": ("softwareupdate --list",),
                        "windows": (
                            r"Get-ChildItem Cert:\LocalMachine\Root | Where-Object Subject -match"
                            " 'Amazon|Starfield'",
                        ),
                    },
                ),
            ),
        },
    ),
    "proxies": Words(
        ok=t(
            "Nothing is wrong with the proxy settings (agent: {agent}, environment: {environment},"
            " package manager: {package_manager}, WinHTTP: {winhttp}).",
            "プロキシの設定に問題はありません（エージェント: {agent}、環境変数: {environment}、"
            "パッケージマネージャー: {package_manager}、WinHTTP: {winhttp}）。",
        ),
        bad=t(
            "The proxy settings need a look (agent: {agent}, environment: {environment}, package"
            " manager: {package_manager}, WinHTTP: {winhttp}).",
            "プロキシの設定を確認してください（エージェント: {agent}、環境変数: {environment}、"
            "パッケージマネージャー: {package_manager}、WinHTTP: {winhttp}）。",
        ),
        special={
            "broken": Special(
                t(
                    "The proxy {proxy} does not work: {error} (agent: {agent}, environment:"
                    " {environment}).",
                    "プロキシ {proxy} が正しく動作していません（{error}、エージェント: {agent}、環"
                    "境変数: {environment}）。",
                ),
            ),
            "agent-only": Special(
                t(
                    "Only the agent uses the proxy {agent_only}; WinHTTP, which Windows Update"
                    " uses, has none.",
                    "プロキシ {agent_only} はエージェントだけに設定されており、Windows Update が使"
                    "用する WinHTTP には設定されていません。",
                ),
                Advice(
                    t(
                        "Set the same proxy for WinHTTP, and exempt 169.254.169.254 from it.",
                        "WinHTTP にも同じプロキシを設定し、169.254.169.254 は除外してください。",
                    ),
                    {
                        "windows": (
                            _WINHTTP_PROXY,
                            'netsh winhttp set proxy proxy-server="<PROXY>:<PORT>"'
                            ' bypass-list="169.254.169.254;<local>"',
                        ),
                    },
                ),
            ),
            "bypass": Special(
                t(
                    "A proxy is set (agent: {agent}, environment: {environment}), and the address"
                    " of instance metadata, 169.254.169.254, is not exempt from it.",
                    "プロキシが設定されていますが（エージェント: {agent}、環境変数:"
                    " {environment}）、インスタンスメタデータのアドレス 169.254.169.254 が除外され"
                    "ていません。",
                ),
                Advice(
                    t(
                        "Put 169.254.169.254 into no_proxy beside each http_proxy and https_proxy,"
                        ' and restart the agent. On Linux, "systemctl edit" opens the agent\'s'
                        ' settings: add Environment="no_proxy=169.254.169.254" under [Service].',
                        "http_proxy と https_proxy を設定しているすべての箇所で no_proxy に"
                        " 169.254.169.254 を追加し、エージェントを再起動してください。Linux では"
                        " systemctl edit でエージェントの設定を開き、[Service] の下に"
                        ' Environment="no_proxy=169.254.169.254" を追加します。',
                    ),
                    {
                        "linux": (
                            _AGENT_PROXY_LINUX,
                            "sudo systemctl edit amazon-ssm-agent",
                            "sudo systemctl restart amazon-ssm-agent",
                        ),
                        "macos": (
                            _AGENT_PROXY_MACOS,
                            "scutil --proxy",
                        ),
                        "windows": (
                            _AGENT_PROXY_WINDOWS,
                            r"Set-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services"
                            r"\AmazonSSMAgent -Name Environment -Type MultiString -Value"
                            " 'http_proxy=<PROXY>:<PORT>','https_proxy=<PROXY>:<PORT>'"
                            ",'no_proxy=169.254.169.254'",
                            "Restart-Service AmazonSSMAgent",
                        ),
                    },
                ),
            ),
            "disagree": Special(
                t(
                    "The parts of the system use different proxies than the agent: {disagree}"
                    " (agent: {agent}, environment: {environment}, package manager:"
                    " {package_manager}, WinHTTP: {winhttp}).",
                    "エージェントと異なるプロキシ設定があります: {disagree}（エージェント:"
                    " {agent}、環境変数: {environment}、パッケージマネージャー:"
                    " {package_manager}、WinHTTP: {winhttp}）。",
                ),
                Advice(
                    t(
                        "Make sure that the difference is meant; else give the agent, the system"
                        " and the package manager the same proxy.",
                        "意図した違いかどうかを確認してください。意図していない場合は、"
                        "エージェント、システム、パッケージマネージャーに同じプロキシを設定しま"
                        "す。",
                    ),
                    {
                        "linux": (
                            _AGENT_PROXY_LINUX,
                            _PROXY_FILES,
                        ),
                        "macos": (
                            "scutil --proxy",
                            _AGENT_PROXY_MACOS,
                        ),
                        "windows": (
                            _WINHTTP_PROXY,
                            _AGENT_PROXY_WINDOWS,
                            r"Get-ItemProperty 'HKCU:\Software\Microsoft\Windows\CurrentVersion"
                            r"\Internet Settings' | Select-Object ProxyEnable, ProxyServer,"
                            " AutoConfigURL",
                        ),
                    },
                ),
            ),
        },
    ),
    "s3-reach": Words(
        ok=t("Amazon S3 answers ({host}).", "Amazon S3 に接続できます（{host}）。"),
        bad=t(
            "Amazon S3 does not serve the node: {host} gave {error} after {seconds} s.",
            "ノードから Amazon S3 を利用できません（{host}: {error}、{seconds} 秒）。",
        ),
    ),
    "ssm-reach": Words(
        ok=t(
            "The Systems Manager endpoints answer ({host}).",
            "Systems Manager のエンドポイントに接続できます（{host}）。",
        ),
        bad=t(
            "The Systems Manager endpoint {host} does not answer: {error}.",
            "Systems Manager のエンドポイント {host} に接続できません（{error}）。",
        ),
    ),
}

ADVICE: Mapping[str, Advice] = {
    "dns-failure": Advice(
        t(
            "Make names resolve on the node: check its resolver, the DHCP options and DNS settings"
            " of the VPC, and forwarders for amazonaws.com.",
            "ノードで名前解決ができるようにしてください。リゾルバーの設定、VPC の DHCP オプション"
            "と DNS 設定、amazonaws.com のフォワーダーを確認してください。",
        ),
        {
            "linux": (
                "cat /etc/resolv.conf",
                "getent hosts ssm.<REGION>.amazonaws.com",
            ),
            "macos": (
                "scutil --dns",
                "dscacheutil -q host -a name ssm.<REGION>.amazonaws.com",
            ),
            "windows": (
                "Resolve-DnsName ssm.<REGION>.amazonaws.com",
                "ipconfig /all",
            ),
        },
    ),
    "tls-failure": Advice(
        t(
            "See who signs the certificate: let a TLS inspection exempt the AWS hosts, or install"
            " its root and today's root certificates on the node.",
            "証明書の発行元を確認してください。TLS を検査する機器がある場合は AWS のホストを対象外"
            "にするか、その機器のルート証明書と最新のルート証明書をノードに導入してください。",
        ),
        {
            "linux": (_SHOW_CHAIN,),
            "macos": (_SHOW_CHAIN,),
            "windows": (
                r"Get-ChildItem Cert:\LocalMachine\Root | Where-Object Subject -like '*Amazon*'",
            ),
        },
    ),
    "proxy-misconfigured": Advice(
        t(
            "Repair the proxy or correct its address, then give the agent, the system and the"
            " package manager the same working proxy. Exempt 169.254.169.254 from it.",
            "プロキシを復旧するか、アドレスを修正してください。そのうえで、エージェント、"
            "システム、パッケージマネージャーに、正しく動作する同じプロキシを設定し、"
            "169.254.169.254 は除外します。",
        ),
        {
            "linux": (
                _AGENT_PROXY_LINUX,
                _PROXY_FILES,
                _ASK_PROXY,
            ),
            "macos": (
                "scutil --proxy",
                _AGENT_PROXY_MACOS,
                _ASK_PROXY,
            ),
            "windows": (
                _WINHTTP_PROXY,
                _AGENT_PROXY_WINDOWS,
                "Test-NetConnection <PROXY> -Port <PORT>",
            ),
        },
    ),
    "s3-unreachable": Advice(
        t(
            "Give the node a way to S3: a gateway endpoint for S3 in its route table, or a NAT"
            " gateway; and let the security group and network ACL pass port 443.",
            "ノードから S3 への経路を用意してください（ルートテーブルに S3 の"
            "ゲートウェイエンドポイントを追加、または NAT ゲートウェイを使用）。"
            "セキュリティグループとネットワーク ACL でポート 443 も許可してください。",
        ),
        {
            "linux": ("curl -sSI -m 10 https://s3.<REGION>.amazonaws.com/",),
            "macos": ("curl -sSI -m 10 https://s3.<REGION>.amazonaws.com/",),
            "windows": ("Test-NetConnection s3.<REGION>.amazonaws.com -Port 443",),
        },
    ),
    "s3-access-denied": Advice(
        t(
            "S3 refuses the patch files: allow the Systems Manager buckets of this Region in the"
            " policy of the S3 endpoint and in the instance's role.",
            "S3 がパッチ用ファイルへのアクセスを拒否しています。S3 エンドポイントのポリシーと"
            "インスタンスのロールで、このリージョンの Systems Manager 用バケットを許可してくださ"
            "い。",
        ),
        {
            "": (
                "aws ec2 describe-vpc-endpoints --filters Name=service-name"
                ",Values=com.amazonaws.<REGION>.s3 --query 'VpcEndpoints[].PolicyDocument'",
            ),
        },
    ),
    "ssm-endpoint-unreachable": Advice(
        t(
            "Give the node a way to ssm and ssmmessages on port 443: interface endpoints with"
            " private DNS, whose security group lets the node in, or a NAT gateway.",
            "ノードから ssm と ssmmessages へポート 443 で接続できるようにしてください"
            "（プライベート DNS を有効にしたインターフェイスエンドポイントを用意し、その"
            "セキュリティグループでノードからの通信を許可、または NAT ゲートウェイを使用）。",
        ),
        {
            "": ("aws ec2 describe-vpc-endpoints --query 'VpcEndpoints[].ServiceName'",),
        },
    ),
}
