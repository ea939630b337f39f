# Windows: what its checks share, and the checks of the node, the agent and its runs. The network's
# are in windows-network.ps1, those of Windows Update in windows-update.ps1. A check returns
# (Answer STATE FACTS); what it throws becomes `unknown` with the message as the reason.
# Law: nothing here matches text that Windows writes in the language of the system.

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

    # The folders in which the agent keeps patch runs, newest first. Beside the folder of the step
    # there is one of the plugin that holds it; a run with hooks numbers the plugin's folders.
    function Get-RunFolder {
        $root = Join-Path $AgentData 'InstanceData\*\document\orchestration\*'
        @(Get-Item -Path (Join-Path $root 'PatchWindows'), (Join-Path $root '*\PatchWindows'), (Join-Path $root '*\*\PatchWindows') -ErrorAction SilentlyContinue) |
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
    # the language of the system: flags at 8, length of the name at 12, the name after it, then
    # the same for the list of those that are asked directly.
    function Get-WinHttpSetting {
        $setting = @{ proxy = ''; bypass = '' }
        $key = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\Connections'
        $bytes = Get-RegistryValue $key 'WinHttpSettings'
        if (-not $bytes -or $bytes.Length -lt 16) { return $setting }
        if (([BitConverter]::ToInt32($bytes, 8) -band 2) -eq 0) { return $setting }
        $length = [BitConverter]::ToInt32($bytes, 12)
        if ($length -le 0 -or $length -gt 1000 -or $bytes.Length -lt 16 + $length) { return $setting }
        $setting.proxy = [Text.Encoding]::ASCII.GetString($bytes, 16, $length)
        $next = 16 + $length
        if ($bytes.Length -lt $next + 4) { return $setting }
        $length = [BitConverter]::ToInt32($bytes, $next)
        if ($length -gt 0 -and $length -le 2000 -and $bytes.Length -ge $next + 4 + $length) {
            $setting.bypass = [Text.Encoding]::ASCII.GetString($bytes, $next + 4, $length)
        }
        $setting
    }

    # What the agent gets: its service's own environment first, then the machine's.
    function Get-AgentSetting([string]$Name) {
        foreach ($line in @(Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent' 'Environment')) {
            if ([string]$line -match '^([A-Za-z_]+)=(.*)$' -and $Matches[1] -eq $Name) { return $Matches[2].Trim() }
        }
        ''
    }

    function Get-MachineSetting([string]$Name) {
        [string](Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment' $Name)
    }

    function Get-AgentProxy {
        foreach ($name in 'https_proxy', 'http_proxy') {
            $found = Get-AgentSetting $name
            if ($found) { return $found }
        }
        ''
    }

    function Get-MachineProxy {
        foreach ($name in 'https_proxy', 'http_proxy') {
            $found = Get-MachineSetting $name
            if ($found) { return $found }
        }
        ''
    }

    # Minutes since a moment (UTC); never less than 0.
    function Get-MinutesSince($When) {
        [long][Math]::Max(0, [Math]::Floor(([DateTime]::UtcNow - $When).TotalMinutes))
    }

    # What a program prints, or $null when its time was up; it is ended then. Read piece by piece,
    # for a program whose pipe is full waits.
    function Invoke-Program([string]$Path, [string]$Arguments, [int]$Seconds) {
        $start = New-Object Diagnostics.ProcessStartInfo
        $start.FileName = $Path
        $start.Arguments = $Arguments
        $start.UseShellExecute = $false
        $start.CreateNoWindow = $true
        $start.RedirectStandardOutput = $true
        $until = [DateTime]::UtcNow.AddSeconds($Seconds)
        $process = [Diagnostics.Process]::Start($start)
        $buffer = New-Object byte[] 65536
        $text = ''
        while ($text.Length -lt 200000) {
            $handle = $process.StandardOutput.BaseStream.BeginRead($buffer, 0, 65536, $null, $null)
            $left = [Math]::Max(0, ($until - [DateTime]::UtcNow).TotalMilliseconds)
            if (-not $handle.AsyncWaitHandle.WaitOne([int]$left)) {
                try { $process.Kill() } catch { $null = $_ }
                return $null
            }
            $read = $process.StandardOutput.BaseStream.EndRead($handle)
            if ($read -le 0) { break }
            $text += [Text.Encoding]::UTF8.GetString($buffer, 0, $read)
        }
        $text
    }

    # The id by which EC2 knows this machine; empty when nothing that looks like EC2 answers.
    function Get-InstanceId {
        $base = 'http://169.254.169.254/latest'
        $token = Invoke-Probe "$base/api/token" 2 $null 'PUT' @{ 'X-aws-ec2-metadata-token-ttl-seconds' = '60' }
        if ($token.error) { return '' }
        $headers = @{}
        if ($token.code -eq 200) { $headers = @{ 'X-aws-ec2-metadata-token' = $token.text } }
        $answer = Invoke-Probe "$base/meta-data/instance-id" 2 $null 'GET' $headers
        if ($answer.code -eq 200 -and $answer.text -match '^i-[0-9a-f]{8,17}$') { return $answer.text }
        ''
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
    $free = [long][Math]::Floor($drive.AvailableFreeSpace / 1048576)
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

# A service that is disabled does not come back after the next restart, even where it runs now.
$Looks['agent'] = {
    $version = Get-AgentVersion
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name = 'AmazonSSMAgent'"
    if (-not $service) { return Answer 'bad' @{ version = $version; state = 'not-installed'; enabled = 'no'; workers = 0 } }
    $workers = @(Get-CimInstance -ClassName Win32_Process -Filter "Name = 'ssm-agent-worker.exe'").Count
    $enabled = 'yes'
    if ($service.StartMode -eq 'Disabled') { $enabled = 'no' }
    $facts = @{ version = $version; state = 'stopped'; enabled = $enabled; workers = $workers }
    if ($service.State -ne 'Running') { return Answer 'bad' $facts }
    $facts.state = 'running'
    Answer 'ok' $facts
}

# Windows ends no process for want of memory, it refuses: what counts is how much may still be
# promised, in memory and page files together. Event 2004 says that this once ran out.
$Looks['memory'] = {
    $need = 256
    $system = Get-CimInstance -ClassName Win32_OperatingSystem
    $promise = [long][Math]::Floor($system.FreeVirtualMemory / 1024)
    $free = [Math]::Min($promise, [long][Math]::Floor($system.FreePhysicalMemory / 1024))
    $facts = @{ free_mb = $free; swap_free_mb = $promise - $free; need_mb = $need; killed = ''; killed_minutes = '' }
    $filter = @{ LogName = 'System'; ProviderName = 'Microsoft-Windows-Resource-Exhaustion-Detector'; Id = 2004; StartTime = (Get-Date).AddDays(-1) }
    foreach ($entry in @(Get-WinEvent -FilterHashtable $filter -MaxEvents 1 -ErrorAction SilentlyContinue)) {
        $facts['exhausted_minutes'] = Get-MinutesSince ($entry.TimeCreated.ToUniversalTime())
    }
    $state = 'ok'
    if ($promise -lt $need) { $state = 'bad' }
    Answer $state $facts
}

# The agent writes to this log only while it has given up asking often.
$Looks['hibernation'] = {
    $minutes = $null
    $reason = ''
    foreach ($folder in (Join-Path $AgentData 'Logs'), (Join-Path $env:SystemRoot 'System32\config\systemprofile\AppData\Local\Amazon\SSM\Logs')) {
        $log = Join-Path $folder 'hibernate.log'
        if (-not (Test-Path -LiteralPath $log)) { continue }
        $age = Get-MinutesSince (Get-Item -LiteralPath $log).LastWriteTimeUtc
        if ($age -ge 1440 -or ($null -ne $minutes -and $age -ge $minutes)) { continue }
        $minutes = $age
        $lines = @((Get-LogEnd $log 8000) -split '\r?\n' | Where-Object { $_ -match '\S' })
        $failed = @($lines | Where-Object { $_ -match 'Health ping failed' })
        if ($failed.Count -gt 0) { $reason = $failed[-1] } elseif ($lines.Count -gt 0) { $reason = $lines[-1] }
        if ($reason.Length -gt 200) { $reason = $reason.Substring(0, 200) }
    }
    $state = 'ok'
    if ($null -ne $minutes) { $state = 'bad' }
    Answer $state @{ minutes = $minutes; reason = $reason }
}

# A machine made from a copy of another's disk, or one that was registered by hand and then
# imported, speaks to Systems Manager under a name that is not its own.
$Looks['registration'] = {
    $file = Join-Path $AgentData 'InstanceData\registration'
    $stored = ''
    if ((Test-Path -LiteralPath $file) -and (Get-LogEnd $file 4000) -match '"ManagedInstanceID"\s*:\s*"(mi-[0-9a-f]{8,17})"') { $stored = $Matches[1] }
    $real = Get-InstanceId
    $used = $stored
    if ($env:AWS_SSM_INSTANCE_ID) { $used = $env:AWS_SSM_INSTANCE_ID }
    $facts = @{ kind = 'ec2'; registered_as = $used; instance_id = $real; error = '' }
    if (-not $real) {
        if ($used.StartsWith('mi-')) {
            $facts.kind = 'hybrid'
            return Answer 'ok' $facts
        }
        $facts['why'] = 'instance metadata does not answer, so there is nothing to compare with'
        return Answer 'unknown' $facts
    }
    # Without a registration of its own, an EC2 node takes its name from instance metadata.
    if (-not $used -or $used -eq $real) { return Answer 'ok' $facts }
    if ($used.StartsWith('mi-')) { $facts.kind = 'hybrid' }
    $facts.error = 'mismatch'
    Answer 'bad' $facts
}

# Files of JSON that patching and the agent go on from. Larger ones than a megabyte are looked at
# from both ends only.
$Looks['state-files'] = {
    $state = Join-Path $env:ProgramData 'Amazon\PatchBaselineOperations\State'
    $paths = @((Join-Path $state 'PatchStatesConfiguration.json'), (Join-Path $state 'PatchInventoryFromLastOperation.json'), (Join-Path $AgentData 'InstanceData\registration'), (Join-Path $AgentFolder 'amazon-ssm-agent.json'))
    $held = ''
    foreach ($path in $paths) {
        if (-not (Test-Path -LiteralPath $path)) { continue }
        $word = ''
        try { $text = [IO.File]::ReadAllText($path) }
        catch [IO.IOException] { $held = $path; continue }
        catch { $word = 'unreadable' }
        if (-not $word -and $text -notmatch '[^\s\0]') { $word = 'empty' }
        elseif (-not $word -and $text.Length -gt 1048576) {
            if ($text -notmatch '^\s*[\[{]' -or $text.TrimEnd() -notmatch '[\]}]$') { $word = 'not-json' }
        }
        elseif (-not $word) {
            try { $null = ConvertFrom-Json -InputObject $text } catch { $word = 'not-json' }
        }
        if ($word) { return Answer 'bad' @{ file = $path; error = $word } }
    }
    # Someone may be writing it just now.
    if ($held) { return Answer 'unknown' @{ file = $held; why = 'another program holds this file' } }
    Answer 'ok' @{ file = ''; error = '' }
}

# The agent's own look at itself. Which of its checks matter: without kms, logs and monitoring a
# node is managed and patched all the same, and sts fails in many networks that work.
$Looks['agent-diagnostics'] = {
    $program = Join-Path $AgentFolder 'ssm-cli.exe'
    if (-not (Test-Path -LiteralPath $program)) { return Answer 'unknown' @{ why = 'no ssm-cli on this node' } }
    if (-not (Test-VersionAtLeast (Get-AgentVersion) '3.1.501.0')) { return Answer 'unknown' @{ why = 'this agent has no get-diagnostics; 3.1.501.0 is the first that has' } }
    $text = Invoke-Program $program 'get-diagnostics --output json' 40
    if ($null -eq $text) { return Answer 'unknown' @{ why = 'ssm-cli was not done within 40 seconds' } }
    $begin = $text.IndexOf('{')
    if ($begin -lt 0) { return Answer 'unknown' @{ why = 'ssm-cli printed no diagnostics' } }
    $rows = @((ConvertFrom-Json -InputObject ($text.Substring($begin))).DiagnosticsOutput)
    if ($rows.Count -eq 0) { return Answer 'unknown' @{ why = 'ssm-cli printed no diagnostics' } }
    $failed = @()
    $notes = @()
    $facts = @{ failed = ''; notes = ''; credentials = ''; expiry = ''; proxy = '' }
    foreach ($row in $rows) {
        $note = [string]$row.Note
        if ($row.Check -eq 'AWS Credentials' -and $row.Status -eq 'Success') {
            # Account and session stay here, the role's name goes out.
            if ($note -match 'assumed-role/([A-Za-z0-9+=,.@_-]+)/') { $facts.credentials = 'arn:aws:sts::****:assumed-role/' + $Matches[1] }
            if ($note -match '(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)') { $facts.expiry = $Matches[1] }
        }
        if ($row.Check -eq 'Proxy configuration' -and $row.Status -eq 'Success') { $facts.proxy = $note }
        if ($row.Status -ne 'Failed' -or $row.Check -match 'kms|logs|monitoring') { continue }
        $failed += [string]$row.Check
        $notes += $note
    }
    $facts.failed = $failed -join ', '
    $facts.notes = $notes -join '; '
    $state = 'ok'
    if ($failed.Count -gt 0) { $state = 'bad' }
    Answer $state $facts
}

# Windows PowerShell as a patch run meets it. Constrained language is told by run.ps1, for then no
# check can run.
$Looks['powershell'] = {
    $mode = [string]$ExecutionContext.SessionState.LanguageMode
    $scopes = @()
    $refused = ''
    foreach ($entry in @(Get-ExecutionPolicy -List)) {
        $scope = [string]$entry.Scope
        $policy = [string]$entry.ExecutionPolicy
        if ($policy -ne 'Undefined') { $scopes += $scope + '=' + $policy }
        # The agent asks for its own policy in the command line; only group policy is above that.
        if (-not $refused -and ($scope -eq 'MachinePolicy' -or $scope -eq 'UserPolicy') -and ($policy -eq 'AllSigned' -or $policy -eq 'Restricted')) { $refused = 'policy' }
    }
    $lockdown = Get-MachineSetting '__PSLockdownPolicy'
    $facts = @{ version = [string]$PSVersionTable.PSVersion; language_mode = $mode; execution_policy = ($scopes -join ' '); lockdown = $lockdown; error = $refused }
    $facts['dotnet'] = [string](Get-RegistryValue 'HKLM:\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full' 'Release')
    if ($PSVersionTable.PSVersion.Major -lt 3) { $facts.error = 'too-old' }
    if ($mode -ne 'FullLanguage' -or $lockdown -eq '4') { $facts.error = 'constrained' }
    if ($facts.error) { Answer 'bad' $facts } else { Answer 'ok' $facts }
}

$Looks['sysprep'] = {
    $image = [string](Get-RegistryValue 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State' 'ImageState')
    if (-not $image) { return Answer 'unknown' @{ why = 'Windows does not say in which state its image is' } }
    $state = 'ok'
    if ($image -ne 'IMAGE_STATE_COMPLETE') { $state = 'bad' }
    Answer $state @{ image_state = $image }
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
