# Windows: what the node reaches, and through what: names, certificates, proxies, the services that
# patching needs. Not here: what Windows Update is set to (windows-update.ps1).

# Asked without waiting for the resolver's own, long patience. A node that asks everything through
# a proxy need not resolve these names itself.
$Looks['dns'] = {
    $servers = @()
    foreach ($adapter in @(Get-CimInstance -ClassName Win32_NetworkAdapterConfiguration -Filter 'IPEnabled = TRUE')) {
        foreach ($server in @($adapter.DNSServerSearchOrder)) { if ($server -and $servers -notcontains $server) { $servers += $server } }
    }
    $facts = @{ host = ''; servers = ($servers -join ' '); error = ''; addresses = '' }
    $names = @("ssm.$Region.$Domain", "ssmmessages.$Region.$Domain", "s3.$Region.$Domain", "patch-baseline-snapshot-$Region.s3.$Region.$Domain")
    foreach ($name in $names) {
        $facts.host = $name
        $found = @()
        try {
            $handle = [Net.Dns]::BeginGetHostAddresses($name, $null, $null)
            if ($handle.AsyncWaitHandle.WaitOne(8000)) { $found = @([Net.Dns]::EndGetHostAddresses($handle)) }
            else { $facts.error = 'no-answer' }
        }
        catch {
            $failure = $_.Exception
            while ($failure -isnot [Net.Sockets.SocketException] -and $failure.InnerException) { $failure = $failure.InnerException }
            if ($failure -isnot [Net.Sockets.SocketException]) { throw }
            switch ($failure.ErrorCode) {
                11001 { $facts.error = 'nxdomain' }
                11004 { $facts.error = 'nxdomain' }
                11003 { $facts.error = 'refused' }
                default { $facts.error = 'no-answer' }
            }
        }
        if ($facts.error) {
            if ($servers.Count -eq 0) { $facts.error = 'no-resolver' }
            if (Get-AgentProxy) {
                $facts['why'] = 'the agent asks through a proxy, which resolves names itself'
                return Answer 'unknown' $facts
            }
            return Answer 'bad' $facts
        }
        if (-not $facts.addresses) { $facts.addresses = @($found | Select-Object -First 3 | ForEach-Object { $_.IPAddressToString }) -join ' ' }
    }
    $facts.host = $names -join ' '
    Answer 'ok' $facts
}

# Who signed what the node is shown. Answers whatever it is, so that a stranger's certificate can
# be read; nothing is sent over such a connection.
$Looks['tls'] = {
    function Open-Connection([string]$Name) {
        $proxy = Get-ProxyAddress (Get-AgentProxy) 'https'
        $target = $Name
        $port = 443
        if ($proxy) { $target = $proxy.Address.Host; $port = $proxy.Address.Port }
        $client = New-Object Net.Sockets.TcpClient
        $handle = $client.BeginConnect($target, $port, $null, $null)
        if (-not $handle.AsyncWaitHandle.WaitOne(6000)) { $client.Close(); return $null }
        $client.EndConnect($handle)
        $client.ReceiveTimeout = 8000
        $client.SendTimeout = 8000
        if (-not $proxy) { return $client }
        $stream = $client.GetStream()
        $line = [Text.Encoding]::ASCII.GetBytes("CONNECT ${Name}:443 HTTP/1.1`r`nHost: ${Name}:443`r`n`r`n")
        $stream.Write($line, 0, $line.Length)
        $head = ''
        while ($head.Length -lt 4000 -and -not $head.EndsWith("`r`n`r`n")) {
            $byte = $stream.ReadByte()
            if ($byte -lt 0) { break }
            $head += [string][char]$byte
        }
        if ($head -match '^HTTP/1\.[01] 200') { return $client }
        $client.Close()
        $null
    }

    # TLS 1.2 by its number: .NET 4.0 knows no name for it.
    function Read-Certificate([string]$Name) {
        $seen = @{ reached = $false; met = $false; name = $false; statuses = ''; issuer = ''; from = $null; until = $null; protocol = ''; failed = $false }
        $client = Open-Connection $Name
        if (-not $client) { return $seen }
        $seen.reached = $true
        $judge = {
            param($source, $certificate, $chain, $errors)
            $seen.met = $true
            $seen.name = (([int]$errors -band 2) -ne 0)
            $seen.statuses = @($chain.ChainStatus | ForEach-Object { [string]$_.Status }) -join ' '
            $seen.issuer = [string]$certificate.Issuer
            $seen.from = $certificate.NotBefore.ToUniversalTime()
            $seen.until = $certificate.NotAfter.ToUniversalTime()
            $true
        }
        try {
            $kind = [Security.Authentication.SslProtocols]
            $ssl = New-Object Net.Security.SslStream($client.GetStream(), $false, [Net.Security.RemoteCertificateValidationCallback]$judge)
            $ssl.AuthenticateAsClient($Name, $null, [Enum]::ToObject($kind, 3072), $false)
            $seen.protocol = [string]$ssl.SslProtocol
        }
        catch {
            $failure = $_.Exception
            while ($failure -isnot [Security.Authentication.AuthenticationException] -and $failure.InnerException) { $failure = $failure.InnerException }
            $seen.failed = ($failure -is [Security.Authentication.AuthenticationException])
        }
        finally { $client.Close() }
        $seen
    }

    function Get-CertificateWord($Seen) {
        $now = [DateTime]::UtcNow
        if ($Seen.failed) { return 'protocol' }
        if ($Seen.name) { return 'name' }
        if ($Seen.until -lt $now) { return 'expired' }
        if ($Seen.from -gt $now) { return 'not-yet-valid' }
        # An intermediate certificate may have expired as well.
        if ($Seen.statuses -match 'NotTimeValid') { return 'expired' }
        if ($Seen.statuses -match 'UntrustedRoot|PartialChain|NotSignatureValid|ExplicitDistrust|Revoked') { return 'untrusted' }
        ''
    }

    # "O CN" of a name like: CN=Amazon RSA 2048 M02, O=Amazon, C=US
    function Get-Signer([string]$Issuer) {
        $parts = @()
        foreach ($field in 'O', 'CN') {
            if ($Issuer -match ('(^|, )' + $field + '=("[^"]*"|[^,]*)')) { $parts += $Matches[2].Trim('"') }
        }
        $parts -join ' / '
    }

    # A switch that was never set says nothing: then Windows has its own default.
    $channel = 'HKLM:\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Client'
    $enabled = Get-RegistryValue $channel 'Enabled'
    $facts = @{ host = ''; error = ''; issuer = ''; trusted = ''; protocol = ''; tls12 = 'default'; strong_crypto = '' }
    if ($null -ne $enabled) { if ($enabled -eq 0) { $facts.tls12 = 'off' } else { $facts.tls12 = 'on' } }
    $facts.strong_crypto = [string](Get-RegistryValue 'HKLM:\SOFTWARE\Microsoft\.NETFramework\v4.0.30319' 'SchUseStrongCrypto')
    if ($facts.tls12 -eq 'off') {
        $facts.error = 'protocol'
        $facts.host = "ssm.$Region.$Domain"
        return Answer 'bad' $facts
    }
    $looked = 0
    foreach ($name in "ssm.$Region.$Domain", "s3.$Region.$Domain") {
        $seen = $null
        try { $seen = Read-Certificate $name } catch { $null = $_ }
        if (-not $seen -or -not $seen.reached) { continue }
        if (-not $seen.met -and -not $seen.failed) { continue }
        $looked += 1
        $facts.host = $name
        $facts.error = Get-CertificateWord $seen
        $facts.issuer = Get-Signer $seen.issuer
        $facts.protocol = $seen.protocol
        $facts.trusted = 'yes'
        if ($facts.error) {
            $facts.trusted = 'no'
            return Answer 'bad' $facts
        }
        # In China AWS has its certificates from others.
        if (-not $Region.StartsWith('cn-') -and $facts.issuer -notmatch '^(Amazon|Starfield)') {
            $facts['intercepted'] = 'yes'
            break
        }
    }
    if ($looked -eq 0) {
        $facts['why'] = 'no connection over which a certificate could be read'
        return Answer 'unknown' $facts
    }
    Answer 'ok' $facts
}

# Every proxy that the agent, PowerShell or Windows Update would use. Windows Update asks WinHTTP
# and the system account's Internet settings, never the environment: a proxy that only the agent
# knows leaves it without one.
$Looks['proxies'] = {
    $settings = '\Software\Microsoft\Windows\CurrentVersion\Internet Settings'

    function Get-InternetProxy([string]$Key) {
        if ((Get-RegistryValue $Key 'ProxyEnable') -ne 1) { return '' }
        [string](Get-RegistryValue $Key 'ProxyServer')
    }

    # host:port in small letters, whatever way it was written.
    function Get-PlainProxy([string]$Setting) {
        $found = Get-ProxyAddress $Setting 'https'
        if (-not $found) { $found = Get-ProxyAddress $Setting 'http' }
        if (-not $found) { return '' }
        $found.Address.Host.ToLowerInvariant() + ':' + $found.Address.Port
    }

    # Whether a list of exceptions lets the instance metadata through: its address or a pattern.
    function Test-Direct([string]$List) {
        foreach ($entry in ($List -split '[;,\s]+')) {
            if ($entry -eq '169.254.169.254') { return $true }
            if ($entry.EndsWith('*') -and '169.254.169.254'.StartsWith($entry.TrimEnd('*'))) { return $true }
            if ($entry -eq '169.254.0.0/16' -or $entry -eq '169.254.169.254/32') { return $true }
        }
        $false
    }

    function Get-ProxyWord([string]$Setting, [string]$Url) {
        $address = Get-ProxyAddress $Setting ($Url -replace ':.*$', '')
        if (-not $address) { return '' }
        $probe = Invoke-Probe $Url 6 $address
        if ($probe.code -eq 407) { return 'http-407' }
        switch ($probe.error) {
            'proxy' { return 'dns' }
            'dns' { return 'dns' }
            'timeout' { return 'timeout' }
            'refused' { return 'refused' }
            'unreachable' { return 'unreachable' }
            'reset' { return 'no-answer' }
        }
        # What went wrong behind the proxy is for other checks.
        ''
    }

    $winhttp = Get-WinHttpSetting
    $own = 'Registry::HKEY_USERS\S-1-5-18' + $settings
    $everyone = 'HKLM:' + $settings
    $ie = ''
    if ((Get-RegistryValue 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\CurrentVersion\Internet Settings' 'ProxySettingsPerUser') -eq 0) { $ie = Get-InternetProxy $everyone }
    $facts = @{ agent = (Get-AgentProxy); environment = (Get-MachineProxy); winhttp = $winhttp.proxy; wininet = (Get-InternetProxy $own); ie = $ie }
    $facts['winhttp_bypass'] = $winhttp.bypass
    $facts['auto_config'] = [string](Get-RegistryValue $own 'AutoConfigURL')
    foreach ($name in 'bypass', 'error', 'proxy', 'disagree', 'agent_only') { $facts[$name] = '' }
    # Both, the agent and what it starts, have the machine's environment unless the service says else.
    $effective = $facts.agent
    if (-not $effective) { $effective = $facts.environment }
    $except = Get-AgentSetting 'no_proxy'
    if (-not $except) { $except = Get-MachineSetting 'no_proxy' }
    if (-not (Test-HybridNode)) {
        if ($effective) { if (Test-Direct $except) { $facts.bypass = 'yes' } else { $facts.bypass = 'no' } }
        if ($facts.wininet -and $facts.bypass -ne 'no') {
            if (Test-Direct ([string](Get-RegistryValue $own 'ProxyOverride'))) { $facts.bypass = 'yes' } else { $facts.bypass = 'no' }
        }
    }
    $plain = Get-PlainProxy $effective
    $differ = @()
    foreach ($name in 'environment', 'winhttp', 'wininet', 'ie') {
        $other = Get-PlainProxy $facts[$name]
        if ($plain -and $other -and $other -ne $plain) { $differ += $name }
    }
    $facts.disagree = $differ -join ' '
    # A WSUS server in one's own network needs no proxy, so there the agent may be alone.
    if ($effective -and -not ($facts.winhttp -or $facts.wininet -or $ie -or $facts.auto_config) -and -not (Get-WsusServer)) { $facts.agent_only = $effective }
    $tried = @{}
    foreach ($name in 'agent', 'environment', 'winhttp', 'wininet', 'ie') {
        $url = "https://ssm.$Region.$Domain/"
        if ($name -eq 'winhttp') { $url = 'http://download.windowsupdate.com/' }
        $address = Get-PlainProxy $facts[$name]
        if (-not $address -or $tried.ContainsKey($address)) { continue }
        $tried[$address] = $true
        $word = Get-ProxyWord $facts[$name] $url
        if ($word) {
            $facts.error = $word
            $facts.proxy = $facts[$name]
            break
        }
    }
    $state = 'ok'
    if ($facts.error -or $facts.agent_only -or $facts.bypass -eq 'no' -or $facts.disagree) { $state = 'bad' }
    Answer $state $facts
}

# The dual-stack name is only needed where a node has no IPv4, so it is told and not judged.
$Looks['s3-reach'] = {
    $started = [DateTime]::UtcNow
    $url = ''
    foreach ($folder in @(Get-RunFolder | Select-Object -First 1)) {
        $text = Get-LogEnd (Join-Path $folder.FullName 'stdout') 400000
        if ($text -match 'from\s+(https://[a-z0-9.-]+\.amazonaws\.com(\.cn)?/[A-Za-z0-9._/-]{1,200})') { $url = $Matches[1] }
    }
    $steps = @("https://s3.$Region.$Domain/")
    if ($url) { $steps += $url } else { $steps += "https://s3.$Region.$Domain/amazon-ssm-$Region/latest/VERSION" }
    $steps += "https://patch-baseline-snapshot-$Region.s3.$Region.$Domain/"
    foreach ($step in $steps) {
        $probe = Invoke-Probe $step 8
        $word = $probe.error
        # Only a file that everyone may read is denied with 403; a bucket answers a stranger so.
        if (-not $word -and $probe.code -eq 403 -and $step -eq $steps[1]) { $word = 'http-403' }
        if ($word) { break }
    }
    $facts = @{ host = ([Uri]$step).Host; error = $word; url = $step }
    if (-not $word) {
        $facts['dualstack'] = (Invoke-Probe "https://s3.dualstack.$Region.$Domain/" 8).error
        if (-not $facts.dualstack) { $facts.dualstack = 'ok' }
    }
    $facts['seconds'] = [int]([DateTime]::UtcNow - $started).TotalSeconds
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
    $facts = @{ host = ($names -join ' '); error = ''; dualstack = 'ok' }
    if (-not $Region.StartsWith('cn-')) {
        $probe = Invoke-Probe "https://ssm.$Region.api.aws/" 6
        if ($probe.error) { $facts.dualstack = $probe.error }
    }
    Answer 'ok' $facts
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

# Windows Update uses the WinHTTP proxy, so the question goes through that one. Microsoft's own
# hosts carry a certificate that only Windows Update trusts: a TLS word means that they were reached.
$Looks['wu-reach'] = {
    $setting = (Get-WinHttpSetting).proxy
    $wsus = Get-WsusServer
    $urls = @('http://download.windowsupdate.com/', 'https://fe2cr.update.microsoft.com/', 'https://sls.update.microsoft.com/')
    if ($wsus) { $urls = @($wsus.TrimEnd('/') + '/ClientWebService/client.asmx') }
    foreach ($url in $urls) {
        $address = $null
        if (-not [Uri]::TryCreate($url, [UriKind]::Absolute, [ref]$address)) { return Answer 'bad' @{ host = $url; error = 'address'; wsus = $wsus } }
        $proxy = Get-ProxyAddress $setting $address.Scheme
        $probe = Invoke-Probe $url 8 $proxy
        $word = $probe.error
        # Nobody but the proxy was spoken to then.
        if ($proxy -and ($word -eq 'refused' -or $word -eq 'unreachable')) { $word = 'proxy' }
        if ($word -eq 'tls' -and -not $wsus) { $word = '' }
        if (-not $word -and $wsus -and $probe.code -ge 500) { $word = 'http-' + $probe.code }
        if ($word) { return Answer 'bad' @{ host = $address.Host; error = $word; wsus = $wsus } }
    }
    Answer 'ok' @{ host = $address.Host; error = ''; wsus = $wsus }
}
