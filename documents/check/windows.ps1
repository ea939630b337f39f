# Windows: the checks, and the closed list of this platform. A check returns (Answer STATE FACTS);
# what it throws becomes `unknown` with the message as the reason.

# What several checks share; each check runs in a runspace of its own, so this text goes with it.
$Library = {
    $ErrorActionPreference = 'Stop'
    $AgentFolder = Join-Path $env:ProgramFiles 'Amazon\SSM'
    $AgentData = Join-Path $env:ProgramData 'Amazon\SSM'
    $UpdatePolicy = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate'
    $Domain = 'amazonaws.com'
    if ($Region.StartsWith('cn-')) { $Domain = 'amazonaws.com.cn' }
    # The patch run adds TLS 1.2 too, so a node without it by default is not at fault for that.
    try { [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor 3072 } catch { $null = $_ }

    function Answer([string]$State, $Facts) { @{ state = $State; facts = $Facts } }

    function Get-RegistryValue([string]$Path, [string]$Name) {
        try { (Get-ItemProperty -Path $Path -Name $Name -ErrorAction Stop).$Name } catch { $null }
    }

    function Get-AgentVersion {
        $program = Join-Path $AgentFolder 'amazon-ssm-agent.exe'
        if (-not (Test-Path -LiteralPath $program)) { return '' }
        $text = [string](Get-Item -LiteralPath $program).VersionInfo.ProductVersion
        if ($text -match '^\d+(\.\d+){1,3}') { return $Matches[0] }
        ''
    }

    # Compared as numbers: as text, 3.10 would be less than 3.9.
    function Test-VersionAtLeast([string]$Have, [string]$Want) {
        try { ([version]$Have).CompareTo([version]$Want) -ge 0 } catch { $false }
    }

    function Test-HybridNode {
        if ($env:AWS_SSM_INSTANCE_ID) { return $env:AWS_SSM_INSTANCE_ID.StartsWith('mi-') }
        Test-Path -LiteralPath (Join-Path $AgentData 'InstanceData\registration')
    }

    # One word for what went wrong, the same words as on Linux.
    function Get-WebErrorWord($Exception) {
        while ($Exception -isnot [Net.WebException] -and $Exception.InnerException) { $Exception = $Exception.InnerException }
        if ($Exception -isnot [Net.WebException]) { return 'no-answer' }
        $inner = $Exception.InnerException
        while ($inner) {
            if ($inner -is [Net.Sockets.SocketException]) {
                switch ([string]$inner.SocketErrorCode) {
                    'TimedOut' { return 'timeout' }
                    'ConnectionRefused' { return 'refused' }
                    'ConnectionReset' { return 'reset' }
                    'ConnectionAborted' { return 'reset' }
                    'NetworkUnreachable' { return 'unreachable' }
                    'HostUnreachable' { return 'unreachable' }
                    'HostNotFound' { return 'dns' }
                    'TryAgain' { return 'dns' }
                }
            }
            if ($inner -is [Security.Authentication.AuthenticationException]) { return 'tls' }
            $inner = $inner.InnerException
        }
        switch ([string]$Exception.Status) {
            'NameResolutionFailure' { return 'dns' }
            'ProxyNameResolutionFailure' { return 'proxy' }
            'ConnectFailure' { return 'refused' }
            'Timeout' { return 'timeout' }
            'TrustFailure' { return 'tls' }
            'SecureChannelFailure' { return 'tls' }
            'SendFailure' { return 'reset' }
            'ReceiveFailure' { return 'reset' }
            'ConnectionClosed' { return 'reset' }
        }
        'no-answer'
    }

    # Any HTTP answer is an answer. Proxy: $null asks without one, 'system' asks as .NET would.
    function Invoke-Probe([string]$Url, [int]$Seconds, $Proxy = 'system', [string]$Method = 'HEAD', $Headers = @{}) {
        $result = @{ error = ''; code = 0; date = ''; text = '' }
        $request = [Net.HttpWebRequest][Net.WebRequest]::Create($Url)
        $request.Method = $Method
        $request.Timeout = $Seconds * 1000
        $request.ReadWriteTimeout = $Seconds * 1000
        $request.AllowAutoRedirect = $false
        if ($Proxy -isnot [string]) { $request.Proxy = $Proxy }
        foreach ($name in $Headers.Keys) { $request.Headers.Add($name, $Headers[$name]) }
        if ($Method -eq 'PUT') { $request.ContentLength = 0 }
        $response = $null
        try { $response = $request.GetResponse() }
        catch {
            $failure = $_.Exception
            while ($failure -isnot [Net.WebException] -and $failure.InnerException) { $failure = $failure.InnerException }
            if ($failure -is [Net.WebException] -and $failure.Response) { $response = $failure.Response }
            else { $result.error = Get-WebErrorWord $failure }
        }
        if ($response) {
            $result.code = [int]$response.StatusCode
            $result.date = [string]$response.Headers['Date']
            if ($Method -ne 'HEAD') {
                $reader = New-Object IO.StreamReader($response.GetResponseStream())
                $buffer = New-Object char[] 2048
                $read = $reader.Read($buffer, 0, 2048)
                if ($read -gt 0) { $result.text = New-Object string($buffer, 0, $read) }
            }
            $response.Close()
            if ($result.code -eq 407) { $result.error = 'proxy' }
        }
        $result
    }

    # The folders in which the agent keeps patch runs, newest first.
    function Get-RunFolder {
        $root = Join-Path $AgentData 'InstanceData\*\document\orchestration\*'
        @(Get-Item -Path (Join-Path $root 'PatchWindows'), (Join-Path $root 'awsrunPowerShellScript\PatchWindows') -ErrorAction SilentlyContinue) |
            Sort-Object -Property LastWriteTimeUtc -Descending | Select-Object -First 20
    }

    function Get-LogEnd([string]$Path, [int]$Bytes) {
        if (-not (Test-Path -LiteralPath $Path)) { return '' }
        $stream = New-Object IO.FileStream($Path, 'Open', 'Read', 'ReadWrite')
        try {
            $start = [Math]::Max(0, $stream.Length - $Bytes)
            $null = $stream.Seek($start, 'Begin')
            $buffer = New-Object byte[] ([int]($stream.Length - $start))
            $read = $stream.Read($buffer, 0, $buffer.Length)
            [Text.Encoding]::UTF8.GetString($buffer, 0, $read)
        }
        finally { $stream.Close() }
    }

    # The proxy that Windows Update would use, from the bytes that netsh winhttp shows as text in
    # the language of the system: flags at 8, length of the name at 12, the name after it.
    function Get-WinHttpProxy {
        $key = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\Connections'
        $bytes = Get-RegistryValue $key 'WinHttpSettings'
        if (-not $bytes -or $bytes.Length -lt 16) { return '' }
        if (([BitConverter]::ToInt32($bytes, 8) -band 2) -eq 0) { return '' }
        $length = [BitConverter]::ToInt32($bytes, 12)
        if ($length -le 0 -or $length -gt 1000 -or $bytes.Length -lt 16 + $length) { return '' }
        [Text.Encoding]::ASCII.GetString($bytes, 16, $length)
    }

    # "host:port" or "http=host:port;https=host:port" as an address.
    function Get-ProxyAddress([string]$Setting, [string]$Scheme) {
        $plain = ''
        foreach ($part in ($Setting -split '[; ]+')) {
            if ($part -match '^(\w+)=(.+)$') { if ($Matches[1] -eq $Scheme) { $plain = $Matches[2] } }
            elseif ($part -and -not $plain) { $plain = $part }
        }
        if (-not $plain) { return $null }
        if ($plain -notmatch '^https?://') { $plain = 'http://' + $plain }
        New-Object Net.WebProxy($plain)
    }

    function Get-WsusServer {
        if ((Get-RegistryValue (Join-Path $UpdatePolicy 'AU') 'UseWUServer') -ne 1) { return '' }
        [string](Get-RegistryValue $UpdatePolicy 'WUServer')
    }
}

$Looks = @{}

# Where updates are unpacked and where the agent works are both on the system drive, as a rule.
$Looks['disk-space'] = {
    $need = 1024
    $drive = New-Object IO.DriveInfo($env:SystemDrive)
    $free = [long][Math]::Floor($drive.AvailableFreeSpace / 1MB)
    $state = 'ok'
    if ($free -lt $need) { $state = 'bad' }
    Answer $state @{ path = $env:SystemDrive; free_mb = $free; need_mb = $need; free_inodes = 'not counted' }
}

$Looks['patch-runs'] = {
    $ids = @{}
    $pids = @()
    foreach ($process in @(Get-CimInstance -ClassName Win32_Process -Filter "Name = 'powershell.exe'")) {
        if ([string]$process.CommandLine -match 'orchestration\\([0-9A-Za-z-]+)\\.*PatchWindows\\_script\.ps1') {
            $ids[$Matches[1]] = $true
            $pids += $process.ProcessId
        }
    }
    $spans = @()
    foreach ($folder in @(Get-RunFolder)) {
        $script = Join-Path $folder.FullName '_script.ps1'
        $output = Join-Path $folder.FullName 'stdout'
        if (-not (Test-Path -LiteralPath $script)) { continue }
        $from = (Get-Item -LiteralPath $script).LastWriteTimeUtc
        $until = $from
        if (Test-Path -LiteralPath $output) { $until = (Get-Item -LiteralPath $output).LastWriteTimeUtc }
        $id = ''
        if ($folder.FullName -match 'orchestration\\([0-9A-Za-z-]+)') { $id = $Matches[1] }
        $spans += New-Object PSObject -Property @{ from = $from; until = $until; id = $id }
    }
    $now = [DateTime]::UtcNow
    $overlap = ''
    $last = ''
    $previous = $null
    foreach ($span in @($spans | Sort-Object -Property from)) {
        $last = [long]($now - $span.until).TotalSeconds
        if (($now - $span.from).TotalHours -gt 6) { continue }
        if ($previous -and $previous.id -ne $span.id -and $span.from -le $previous.until.AddSeconds(15)) { $overlap = $previous.id + ' ' + $span.id }
        if (-not $previous -or $span.until -ge $previous.until) { $previous = $span }
    }
    $state = 'ok'
    if ($ids.Count -ge 2 -or $overlap) { $state = 'bad' }
    $facts = @{ running = $ids.Count; pids = ($pids -join ' '); last_run_seconds = $last }
    if ($overlap) { $facts['overlapping'] = $overlap }
    Answer $state $facts
}

# Which credentials a patch run here would use, by source and path; never a key.
$Looks['credentials'] = {
    $version = Get-AgentVersion
    $own = Join-Path $AgentFolder 'credentials'
    $profiles = @((Join-Path $env:SystemRoot 'System32\config\systemprofile'), $env:USERPROFILE) | Select-Object -Unique
    $shared = ''
    $wanted = 'default'
    if ($env:AWS_PROFILE) { $wanted = $env:AWS_PROFILE }
    foreach ($folder in $profiles) {
        foreach ($name in '.aws\credentials', '.aws\config', 'AppData\Local\AWSToolkit\RegisteredAccounts.json') {
            $path = Join-Path $folder $name
            if ($shared -or -not (Test-Path -LiteralPath $path)) { continue }
            if ($name.EndsWith('.json')) {
                # The file exists with an empty object on nodes that have the tools and no keys.
                if ((Get-Item -LiteralPath $path).Length -gt 10) { $shared = $path }
                continue
            }
            $inside = $false
            foreach ($line in @(Get-Content -LiteralPath $path)) {
                if ($line -match '^\s*\[\s*(profile\s+)?(.+?)\s*\]') { $inside = ($Matches[2] -eq $wanted) }
                elseif ($inside -and $line -match '^\s*(aws_access_key_id|credential_process)\s*=') { $shared = $path }
            }
        }
    }
    # Agents from 3.2.183.0 up to 3.2.1296 took the role before the shared file.
    $counts = (-not $version) -or (Test-VersionAtLeast $version '3.2.1297.0') -or -not (Test-VersionAtLeast $version '3.2.183.0')
    $ownCounts = (Test-Path -LiteralPath $own) -and ((-not $version) -or (Test-VersionAtLeast $version '3.2.183.0'))
    $state = 'ok'
    $source = 'imds'
    $path = ''
    if ($env:AWS_ACCESS_KEY_ID -and -not $env:AWS_CREDENTIAL_EXPIRATION) { $source = 'environment'; $state = 'bad' }
    elseif ($env:AWS_ACCESS_KEY_ID) { $source = 'agent' }
    elseif ($ownCounts) { $source = 'ssm-file'; $path = $own }
    elseif ($shared -and $counts) {
        $source = 'shared-file'
        $path = $shared
        # On a hybrid node the agent itself keeps its keys in that file.
        if (-not (Test-HybridNode)) { $state = 'bad' }
    }
    elseif (Test-HybridNode) { $source = 'none'; $state = 'unknown' }
    $facts = @{ source = $source; path = $path; agent_version = $version }
    if ($state -eq 'unknown') { $facts['why'] = 'no credentials where the agent and the patch run look for them' }
    Answer $state $facts
}

$Looks['s3-reach'] = {
    $started = [DateTime]::UtcNow
    $url = ''
    foreach ($folder in @(Get-RunFolder | Select-Object -First 1)) {
        $text = Get-LogEnd (Join-Path $folder.FullName 'stdout') 400000
        if ($text -match 'from\s+(https://[a-z0-9.-]+\.amazonaws\.com(\.cn)?/[A-Za-z0-9._/-]{1,200})') { $url = $Matches[1] }
    }
    $steps = @("https://s3.$Region.$Domain/")
    if ($url) { $steps += $url } else { $steps += "https://s3.$Region.$Domain/amazon-ssm-$Region/latest/VERSION" }
    foreach ($step in $steps) {
        $probe = Invoke-Probe $step 8
        $word = $probe.error
        # The bare host answers a stranger with anything; a file that everyone may read with 403 is denied.
        if (-not $word -and $probe.code -eq 403 -and $step -ne $steps[0]) { $word = 'http-403' }
        if ($word) { break }
    }
    $facts = @{ host = ([Uri]$step).Host; error = $word; url = $step; seconds = [int]([DateTime]::UtcNow - $started).TotalSeconds }
    if ($word) { Answer 'bad' $facts } else { Answer 'ok' $facts }
}

# ec2messages is only needed by agents before 3.3.40.0.
$Looks['ssm-reach'] = {
    $names = @("ssm.$Region.$Domain", "ssmmessages.$Region.$Domain")
    $version = Get-AgentVersion
    if ($version -and -not (Test-VersionAtLeast $version '3.3.40.0')) { $names += "ec2messages.$Region.$Domain" }
    foreach ($name in $names) {
        $probe = Invoke-Probe "https://$name/" 6
        if ($probe.error) { return Answer 'bad' @{ host = $name; error = $probe.error } }
    }
    Answer 'ok' @{ host = ($names -join ' '); error = '' }
}

$Looks['agent'] = {
    $version = Get-AgentVersion
    $service = Get-Service -Name 'AmazonSSMAgent' -ErrorAction SilentlyContinue
    if (-not $service) { return Answer 'bad' @{ version = $version; state = 'not-installed' } }
    if ([string]$service.Status -eq 'Running') { return Answer 'ok' @{ version = $version; state = 'running' } }
    Answer 'bad' @{ version = $version; state = 'stopped' }
}

# Asks for the role's name only, never for its keys.
$Looks['imds'] = {
    if (Test-HybridNode) { return Answer 'unknown' @{ why = 'a hybrid node has no instance metadata' } }
    $base = 'http://169.254.169.254/latest'
    $token = Invoke-Probe "$base/api/token" 2 $null 'PUT' @{ 'X-aws-ec2-metadata-token-ttl-seconds' = '60' }
    if ($token.error) { return Answer 'bad' @{ status = $token.error; version = ''; role = '' } }
    $version = 'v1'
    $headers = @{}
    if ($token.code -eq 200) { $version = 'v2'; $headers = @{ 'X-aws-ec2-metadata-token' = $token.text } }
    $role = Invoke-Probe "$base/meta-data/iam/security-credentials/" 2 $null 'GET' $headers
    if ($role.error) { return Answer 'bad' @{ status = $role.error; version = $version; role = '' } }
    $name = ''
    $state = 'bad'
    if ($role.code -eq 200) {
        $state = 'ok'
        if ($role.text -match '^[A-Za-z0-9+=,.@_-]{1,64}') { $name = $Matches[0] }
    }
    # Under default host management the node has no role and the agent's own file instead.
    if ($role.code -eq 404 -and (Test-Path -LiteralPath (Join-Path $AgentFolder 'credentials'))) { $state = 'ok' }
    Answer $state @{ status = $role.code; version = $version; role = $name }
}

# AWS refuses a signature that is five minutes off. Plain HTTP serves too: a wrong clock can break
# TLS itself.
$Looks['clock'] = {
    foreach ($url in "https://s3.$Region.$Domain/", "http://s3.$Region.$Domain/", "https://ssm.$Region.$Domain/") {
        $probe = Invoke-Probe $url 5
        if (-not $probe.date) { continue }
        $there = [DateTime]::Parse($probe.date, [Globalization.CultureInfo]::InvariantCulture).ToUniversalTime()
        $offset = [long]([DateTime]::UtcNow - $there).TotalSeconds
        $state = 'ok'
        if ([Math]::Abs($offset) -gt 300) { $state = 'bad' }
        return Answer $state @{ offset_seconds = $offset; source = $url }
    }
    Answer 'unknown' @{ why = 'no server told the time' }
}

# Stopped is normal, these start when asked; disabled is not.
$Looks['wu-services'] = {
    $seen = @()
    foreach ($name in 'wuauserv', 'BITS', 'CryptSvc', 'TrustedInstaller') {
        $service = Get-CimInstance -ClassName Win32_Service -Filter "Name = '$name'"
        if (-not $service) { return Answer 'bad' @{ service = $name; start_type = 'missing'; state = 'missing' } }
        if ($service.StartMode -eq 'Disabled') { return Answer 'bad' @{ service = $name; start_type = 'Disabled'; state = $service.State } }
        $seen += $name + '=' + $service.StartMode
    }
    Answer 'ok' @{ service = 'wuauserv'; start_type = ($seen -join ' '); state = 'none is disabled' }
}

# Windows Update uses the WinHTTP proxy, so the question goes through that one. Microsoft's own
# hosts carry a certificate that only Windows Update trusts: a TLS word means that they were reached.
$Looks['wu-reach'] = {
    $setting = Get-WinHttpProxy
    $wsus = Get-WsusServer
    $urls = @('http://download.windowsupdate.com/', 'https://fe2cr.update.microsoft.com/', 'https://sls.update.microsoft.com/')
    if ($wsus) { $urls = @($wsus.TrimEnd('/') + '/ClientWebService/client.asmx') }
    foreach ($url in $urls) {
        $address = $null
        if (-not [Uri]::TryCreate($url, [UriKind]::Absolute, [ref]$address)) { return Answer 'bad' @{ host = $url; error = 'address'; wsus = $wsus } }
        $probe = Invoke-Probe $url 8 (Get-ProxyAddress $setting $address.Scheme)
        $word = $probe.error
        if ($word -eq 'tls' -and -not $wsus) { $word = '' }
        if (-not $word -and $wsus -and $probe.code -ge 500) { $word = 'http-' + $probe.code }
        if ($word) { return Answer 'bad' @{ host = $address.Host; error = $word; wsus = $wsus } }
    }
    Answer 'ok' @{ host = $address.Host; error = ''; wsus = $wsus }
}

# What the update client itself last complained about: in the last patch run, then in the event
# log of two days. Codes of its datastore and its own components mean bad; codes of the network
# speak for wu-reach, not for this.
$Looks['wu-components'] = {
    $text = ''
    $source = 'patch run'
    foreach ($folder in @(Get-RunFolder | Select-Object -First 1)) {
        $text = (Get-LogEnd (Join-Path $folder.FullName 'stdout') 200000) + (Get-LogEnd (Join-Path $folder.FullName 'stderr') 50000)
    }
    if ($text -notmatch '0x[89cC][0-9a-fA-F]{7}') {
        $source = 'event log'
        $filter = @{ LogName = 'System'; ProviderName = 'Microsoft-Windows-WindowsUpdateClient'; Level = 2, 3; StartTime = (Get-Date).AddDays(-2) }
        $events = @(Get-WinEvent -FilterHashtable $filter -MaxEvents 50 -ErrorAction SilentlyContinue)
        $text = ($events | ForEach-Object { $_.Message }) -join "`n"
    }
    $component = @()
    $network = @()
    foreach ($match in [regex]::Matches($text, '0x([89cC][0-9a-fA-F]{7})')) {
        $code = $match.Groups[1].Value.ToUpperInvariant()
        if ($code -match '^(80240437|80248\w{3}|80246\w{3}|C8000\w{3})$') { $component += '0x' + $code }
        elseif ($code -match '^(80072E\w{2}|80072F\w{2}|8024401\w|8024402\w|8024500\w)$') { $network += '0x' + $code }
    }
    if ($component.Count -gt 0) { return Answer 'bad' @{ hresult = $component[-1]; count = $component.Count; source = $source } }
    if ($network.Count -gt 0) { return Answer 'ok' @{ hresult = $network[-1]; count = 0; source = $source } }
    Answer 'ok' @{ hresult = ''; count = 0; source = $source }
}

$Looks['wu-proxy'] = {
    $winhttp = Get-WinHttpProxy
    $agent = ''
    $lines = @(Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent' 'Environment')
    $lines += 'https_proxy=' + [Environment]::GetEnvironmentVariable('https_proxy', 'Machine')
    $lines += 'http_proxy=' + [Environment]::GetEnvironmentVariable('http_proxy', 'Machine')
    foreach ($line in $lines) {
        if (-not $agent -and [string]$line -match '(?i)^https?_proxy=(.+)$') { $agent = $Matches[1].Trim() }
    }
    $state = 'ok'
    if ($agent -and -not $winhttp) { $state = 'bad' }
    Answer $state @{ winhttp = $winhttp; agent = $agent }
}

$Looks['reboot-pending'] = {
    $reasons = @()
    if (Test-Path -Path 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending') { $reasons += 'component servicing' }
    if (Test-Path -Path 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired') { $reasons += 'Windows Update' }
    $state = 'ok'
    if ($reasons.Count -gt 0) { $state = 'bad' }
    Answer $state @{ reasons = ($reasons -join ', ') }
}

$Looks['patch-log-tail'] = {
    $folder = Get-RunFolder | Select-Object -First 1
    if (-not $folder) { return Answer 'unknown' @{ why = 'the agent keeps no output of a patch run' } }
    # Which command it was: a later run's end must not be taken for the failed one's.
    $command = ''
    if ($folder.FullName -match '\\orchestration\\([0-9a-fA-F-]{36})\\') { $command = $Matches[1].ToLowerInvariant() }
    foreach ($room in @(@(4900, 900), @(1300, 600))) {
        $text = (Get-LogEnd (Join-Path $folder.FullName 'stdout') $room[0]) + "`n--- stderr ---`n" + (Get-LogEnd (Join-Path $folder.FullName 'stderr') $room[1])
        # What is no plain character takes six in the answer: such a log gets less room.
        if (($text -replace '[ -~\n]', '').Length -le 1200) { break }
    }
    # The marker of this very document must not come back out of a log.
    Answer 'ok' @{ command = $command; tail = $text.Replace('PATCHMEDIC-', 'PATCHMEDIC_') }
}
