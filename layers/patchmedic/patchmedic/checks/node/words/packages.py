"""What the checks say about packages: locks, databases, repositories, keys, Python.

Data only; the shapes and the rules for it are in ``shapes``.
"""

from __future__ import annotations

from collections.abc import Mapping

from patchmedic.checks.node.words.shapes import Advice, Special, Words, t

_REPOSITORY_FILES = (
    "grep -rhE '^(deb|URIs:|baseurl|mirrorlist|metalink)' /etc/apt/sources.list"
    " /etc/apt/sources.list.d /etc/yum.repos.d /etc/zypp/repos.d 2>/dev/null"
)

WORDS: Mapping[str, Words] = {
    "package-lock": Words(
        ok=t(
            "No package manager holds its lock.",
            "パッケージマネージャーのロックは取得されていません。",
        ),
        bad=t(
            "{holder} (process {holder_pid}) holds the {manager} lock {lock}.",
            "{holder}（プロセス {holder_pid}）が {manager} のロック {lock} を保持しています。",
        ),
    ),
    "dpkg-state": Words(
        ok=t(
            "dpkg holds no half-installed packages.",
            "dpkg に、設定が途中のパッケージはありません。",
        ),
        bad=t(
            "dpkg was interrupted; not finished: {broken}.",
            "dpkg の処理が途中で中断されています（未完了: {broken}）。",
        ),
    ),
    "rpm-db": Words(
        ok=t(
            "The rpm database can be read ({backend}, {packages} packages).",
            "rpm データベースは正常に読み取れます（{backend}、パッケージ数 {packages}）。",
        ),
        bad=t(
            "The rpm database ({backend}) is {error}: {detail}.",
            "rpm データベース（{backend}）に異常があります（{error}: {detail}）。",
        ),
        advice=Advice(
            t(
                "Keep a copy of the database, rebuild it, and let the package manager check what"
                " is installed.",
                "データベースのコピーを取ってから再構築し、インストール済みパッケージの整合性を確"
                "認してください。",
            ),
            {
                "linux": (
                    'sudo cp -a "$(rpm --eval %_dbpath)" /var/tmp/rpm-database-copy',
                    "sudo rm -f /var/lib/rpm/__db.*",
                    "sudo rpm --rebuilddb && rpm -qa | wc -l",
                    "sudo dnf check || sudo yum check || sudo zypper verify --dry-run",
                ),
            },
        ),
    ),
    "package-dependencies": Words(
        ok=t(
            "The installed packages have all that they depend on ({tool}).",
            "インストール済みパッケージの依存関係は満たされています（{tool}）。",
        ),
        bad=t(
            "Installed packages lack what they depend on ({tool}): {broken}. {detail}",
            "インストール済みパッケージの依存関係が満たされていません（{tool}）: {broken}"
            "（{detail}）。",
        ),
    ),
    "package-holds": Words(
        ok=t("No package is held or locked.", "保留またはロックされているパッケージはありません。"),
        bad=t(
            "Packages are held or locked ({tool}), {count} in all: patching leaves them as they"
            " are. {held}",
            "保留またはロックされているパッケージが {count} 個あります（{tool}）。パッチ適用の対象"
            "になりません: {held}",
        ),
        advice=Advice(
            t(
                "Where a hold is no longer meant, release it; each name stands for a package of"
                " yours.",
                "不要になった保留は解除してください。<PACKAGE> は対象のパッケージ名に置き換えま"
                "す。",
            ),
            {
                "linux": (
                    "apt-mark showhold; dnf versionlock list 2>/dev/null || yum versionlock list;"
                    " zypper locks",
                    "sudo apt-mark unhold <PACKAGE>",
                    "sudo dnf versionlock delete <PACKAGE>",
                    "sudo zypper removelock <PACKAGE>",
                ),
            },
        ),
    ),
    "package-repositories": Words(
        ok=t(
            "Each repository that was asked serves its data ({checked} asked).",
            "確認したリポジトリはすべてデータを返しています（{checked} 件）。",
        ),
        bad=t(
            "The repository {repository} does not answer: {error} (failures: {failed}).",
            "リポジトリ {repository} に接続できません（{error}、失敗: {failed}）。",
        ),
        special={
            "subscription": Special(
                t(
                    "The repository {repository} refuses the node's subscription (failures:"
                    " {failed}).",
                    "リポジトリ {repository} が、このノードのサブスクリプションを拒否しました（失"
                    "敗: {failed}）。",
                ),
            ),
            "retired": Special(
                t(
                    "The release of {repository} is retired: only the archive still serves it"
                    " (failures: {failed}).",
                    "{repository} のリリースはサポートが終了しており、アーカイブでのみ提供されてい"
                    "ます（失敗: {failed}）。",
                ),
            ),
            "not-there": Special(
                t(
                    "The repository's server answers, but {repository} is not there: {error}"
                    " (failures: {failed}).",
                    "サーバーは応答していますが、リポジトリ {repository} が存在しません（{error}、"
                    "失敗: {failed}）。",
                ),
                Advice(
                    t(
                        "Correct the address of the repository or disable it; on a mirror in the"
                        " middle of an update, try again after some minutes.",
                        "リポジトリの URL を修正するか、無効化してください。同期途中のミラーの場合"
                        "は、数分後に再試行します。",
                    ),
                    {
                        "linux": (
                            _REPOSITORY_FILES,
                            "sudo apt-get update || sudo dnf makecache || sudo yum makecache ||"
                            " sudo zypper refresh",
                        ),
                    },
                ),
            ),
            "denied": Special(
                t(
                    "The server {host} refuses the repository {repository}: {error} (failures:"
                    " {failed}).",
                    "{host} がリポジトリ {repository} へのアクセスを拒否しました（{error}、失敗:"
                    " {failed}）。",
                ),
                Advice(
                    t(
                        "The repositories of Amazon Linux lie in Amazon S3: let the policy of the"
                        " VPC's S3 endpoint pass s3:GetObject for them (console: VPC > Endpoints >"
                        " Policy). Elsewhere a proxy or the server itself refuses the node.",
                        "Amazon Linux のリポジトリは Amazon S3 に置かれています。VPC の S3 "
                        "エンドポイントのポリシーで、対象バケットの s3:GetObject を許可してくださ"
                        "い（コンソール: VPC > エンドポイント > ポリシー）。それ以外の場合は、"
                        "プロキシまたはサーバー自体がノードを拒否しています。",
                    ),
                    {
                        "linux": (_REPOSITORY_FILES,),
                        "": (
                            "aws ec2 describe-vpc-endpoints --filters Name=service-name"
                            ",Values=com.amazonaws.<REGION>.s3 --query"
                            " 'VpcEndpoints[].PolicyDocument'",
                        ),
                    },
                ),
            ),
        },
    ),
    "package-metadata": Words(
        ok=t(
            "The cached data of the repositories matches their own index.",
            "キャッシュされたリポジトリのデータは、索引と一致しています。",
        ),
        bad=t(
            "The cached data of {repository} does not match its own index: {error} ({file}).",
            "{repository} のキャッシュが索引と一致しません（{error}: {file}）。",
        ),
        special={
            "expired": Special(
                t(
                    "The data of {repository} expired {expired_days} days ago ({file}): the mirror"
                    " no longer follows its source, or the node's lists are old.",
                    "{repository} のデータは {expired_days} 日前に有効期限が切れています"
                    "（{file}）。ミラーの同期が止まっているか、ノード上の一覧が古くなっています。",
                ),
            ),
        },
    ),
    "signing-keys": Words(
        ok=t(
            "The keys that sign the configured repositories are there and valid.",
            "設定済みリポジトリの署名鍵はすべてあり、有効期限内です。",
        ),
        bad=t(
            "The key {key}, which signs {repository}, is not in the keyring that the repository"
            " uses.",
            "{repository} の署名鍵 {key} が、使用されるキーリングにありません。",
        ),
        special={
            "expired": Special(
                t(
                    "The key {key}, which signs {repository}, expired {expired_days} days ago.",
                    "{repository} の署名鍵 {key} は {expired_days} 日前に有効期限が切れています。",
                ),
            ),
        },
    ),
    "subscription": Words(
        ok=t(
            "The certificates of the subscription are there and valid ({kind}).",
            "サブスクリプションの証明書はあり、有効期限内です（{kind}）。",
        ),
        bad=t(
            "The subscription ({kind}) lacks its certificate: {certificate}.",
            "サブスクリプション（{kind}）の証明書がありません: {certificate}",
        ),
        special={
            "expired": Special(
                t(
                    "The certificate of the subscription ({kind}) expired {expired_days} days ago:"
                    " {certificate}.",
                    "サブスクリプション（{kind}）の証明書は {expired_days} 日前に有効期限が切れて"
                    "います: {certificate}",
                ),
            ),
        },
    ),
    "patch-python": Words(
        ok=t(
            "The patch run finds a Python that it can use ({python} {version} for {manager}).",
            "パッチ処理で使用できる Python があります（{python} {version}、{manager} 用）。",
        ),
        bad=t(
            "The patch run finds no Python that works for {manager} ({python} {version}: {error}).",
            "パッチ処理で使用できる {manager} 用の Python がありません（{python} {version}:"
            " {error}）。",
        ),
        special={
            "module": Special(
                t(
                    "{python} {version} lacks the module {module}, which {manager} needs.",
                    "{python} {version} に、{manager} に必要なモジュール {module} がありません。",
                ),
            ),
        },
    ),
}

ADVICE: Mapping[str, Advice] = {
    "package-manager-locked": Advice(
        t(
            "Wait until the other package operation has ended, then patch again. Do not remove the"
            " lock; move jobs that patch at the same time apart.",
            "実行中のパッケージ操作が終わるのを待ってから、パッチ適用を再実行してください。"
            "ロックファイルは削除せず、同じ時刻に動くジョブの時間をずらしてください。",
        ),
        {
            "linux": (
                "ps -eo pid,lstart,args | grep -E '[a]pt|[d]pkg|[d]nf|[y]um|[z]ypper|[u]nattended'",
                "systemctl list-timers --all | grep -E 'apt|dnf|yum|zypp'",
            ),
        },
    ),
    "package-db-corrupt": Advice(
        t(
            "Finish the interrupted package operation, and look at what it prints.",
            "中断されたパッケージ操作を完了させ、表示される内容を確認してください。",
        ),
        {
            "linux": (
                "sudo dpkg --audit",
                "sudo dpkg --configure -a",
            ),
        },
    ),
    "dependency-conflict": Advice(
        t(
            "See which package needs which, and where holds, excludes or foreign repositories keep"
            " it away. Let no tool remove packages to solve this before you have read what it"
            " would remove.",
            "どのパッケージが何を必要としているか、保留、除外、外部リポジトリが妨げになっていない"
            "かを確認してください。自動解決を実行する前に、削除されるパッケージを必ず確認してくだ"
            "さい。",
        ),
        {
            "linux": (
                "sudo apt-get check; apt-get -s -f install; apt-mark showhold",
                "sudo dnf check || sudo yum check; grep -i '^exclude' /etc/dnf/dnf.conf"
                " /etc/yum.conf 2>/dev/null",
                "sudo zypper verify --dry-run; zypper locks",
            ),
        },
    ),
    "repository-unreachable": Advice(
        t(
            "Let the node reach its package repositories (NAT, proxy or a mirror inside the"
            " network; console: VPC > Route tables), or repair the address of the repository.",
            "ノードからパッケージリポジトリへ接続できるようにするか（NAT、プロキシ、または内部"
            "ミラー。コンソール: VPC > ルートテーブル）、リポジトリの URL を修正してください。",
        ),
        {
            "linux": (
                _REPOSITORY_FILES,
                "curl -sSI -m 10 <REPOSITORY_URL>",
            ),
        },
    ),
    "repository-metadata-invalid": Advice(
        t(
            "Empty the cache and read the lists again. Still wrong: ask whoever runs the mirror,"
            " or point the repository at another one.",
            "キャッシュを消去して一覧を読み直してください。改善しない場合は、ミラーの管理者に確認"
            "するか、別のミラーに変更します。",
        ),
        {
            "linux": (
                "sudo apt-get clean && sudo rm -rf /var/lib/apt/lists/* && sudo apt-get update",
                "sudo dnf clean all && sudo dnf makecache || { sudo yum clean all && sudo yum"
                " makecache; }",
                "sudo zypper clean --all && sudo zypper refresh",
            ),
        },
    ),
    "repository-end-of-life": Advice(
        t(
            "Move the node to a supported release. Until then the archive lets packages be"
            " installed, but brings no security updates.",
            "サポート対象のリリースに移行してください。移行までの間、アーカイブからパッケージを"
            "インストールすることはできますが、セキュリティ更新は提供されません。",
        ),
        {
            "linux": (
                "cat /etc/os-release",
                _REPOSITORY_FILES,
            ),
        },
    ),
    "gpg-key-missing": Advice(
        t(
            "Update the distribution's own keyring. A foreign repository's key: fetch it from its"
            " maker's site, compare the fingerprint, and only then install it. Never turn the"
            " check of signatures off.",
            "ディストリビューション自身の鍵であれば、キーリングのパッケージを更新してください。外"
            "部リポジトリの鍵は、配布元のサイトから取得してフィンガープリントを照合したうえで導入"
            "します。署名検証は無効にしないでください。",
        ),
        {
            "linux": (
                "sudo apt-get install --only-upgrade debian-archive-keyring ubuntu-keyring",
                "rpm -qi gpg-pubkey | grep -E '^(Version|Summary|Install Date)'",
                "curl -fsSL <KEY_URL> | gpg --show-keys --with-fingerprint",
                "sudo rpm --import <KEY_URL>",
            ),
        },
    ),
    "subscription-expired": Advice(
        t(
            "Renew the registration: on Red Hat with RHUI update the client package, which brings"
            " the certificate; else register the system again.",
            "登録を更新してください。Red Hat の RHUI では、証明書を含むクライアントパッケージを更"
            "新します。それ以外の場合は、システムを登録し直します。",
        ),
        {
            "linux": (
                "sudo dnf update --disablerepo='*' --enablerepo='rhui-client-config*' || sudo yum"
                " update --disablerepo='*' --enablerepo='rhui-client-config*'",
                "sudo subscription-manager refresh && sudo subscription-manager status",
                "sudo registercloudguest --force-new",
                "sudo pro auto-attach && pro status",
            ),
        },
    ),
    "python-unsupported": Advice(
        t(
            "Give the system its own Python back: /usr/bin/python3 must be the distribution's,"
            " with the package manager's module, and no package of pip in its way.",
            "システム標準の Python に戻してください。/usr/bin/python3 はディストリビューション標準"
            "のもので、パッケージマネージャーのモジュールを読み込める必要があります。pip で入れた"
            "パッケージが干渉していないかも確認します。",
        ),
        {
            "linux": (
                "ls -l /usr/bin/python3 /usr/bin/python /usr/libexec/platform-python 2>/dev/null;"
                " /usr/bin/python3 --version",
                "/usr/bin/python3 -c 'import apt_pkg' || /usr/bin/python3 -c 'import dnf' ||"
                " /usr/bin/python2 -c 'import yum'",
                "sudo apt-get install --reinstall python3 python3-minimal python3-apt",
                "sudo dnf reinstall python3 python3-dnf",
            ),
            "macos": (
                "/usr/bin/python3 --version; ls -l /usr/bin/python3 /usr/local/bin/python3"
                " 2>/dev/null",
                "xcode-select --install",
            ),
        },
    ),
}
