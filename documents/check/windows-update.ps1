# Windows: Windows Update and what installs for it: settings, services, the component store, what
# went wrong last. Not here: its network (windows-network.ps1).

# Stopped is normal, these start when asked; disabled is not.
$Looks['wu-services'] = {
    $seen = @()
    foreach ($name in 'wuauserv', 'BITS', 'CryptSvc', 'TrustedInstaller', 'msiserver') {
        $service = Get-CimInstance -ClassName Win32_Service -Filter "Name = '$name'"
        if (-not $service) { return Answer 'bad' @{ service = $name; start_type = 'missing'; state = 'missing' } }
        if ($service.StartMode -eq 'Disabled') { return Answer 'bad' @{ service = $name; start_type = 'Disabled'; state = $service.State } }
        $seen += $name + '=' + $service.StartMode + '/' + $service.State
    }
    Answer 'ok' @{ service = 'wuauserv'; start_type = ($seen -join ' '); state = 'none is disabled' }
}

# What the update client itself last complained about: in the last patch run, then in the event
# log of two days. Codes of its datastore and its own components mean bad; codes of the network
# speak for wu-reach, not for this. Where the remedy put the old datastore aside (the name tells
# when), what was said before that speaks of the old one.
$Looks['wu-components'] = {
    $text = ''
    $source = 'patch run'
    $reset = ''
    foreach ($copy in @(Get-Item -Path (Join-Path $env:SystemRoot 'SoftwareDistribution.patchmedic-*') -ErrorAction SilentlyContinue)) {
        if ($copy.FullName -match '\.patchmedic-(\d{14})$' -and $Matches[1] -gt $reset) { $reset = $Matches[1] }
    }
    $since = (Get-Date).AddDays(-2)
    $runs = @(Get-RunFolder | Select-Object -First 1)
    if ($reset) {
        $moment = [DateTime]::ParseExact($reset, 'yyyyMMddHHmmss', [Globalization.CultureInfo]::InvariantCulture)
        $runs = @($runs | Where-Object { $_.LastWriteTimeUtc -gt $moment })
        if ($moment.ToLocalTime() -gt $since) { $since = $moment.ToLocalTime() }
    }
    foreach ($folder in $runs) {
        $text = (Get-LogEnd (Join-Path $folder.FullName 'stdout') 200000) + (Get-LogEnd (Join-Path $folder.FullName 'stderr') 50000)
    }
    if ($text -notmatch '0x[89cC][0-9a-fA-F]{7}') {
        $source = 'event log'
        $filter = @{ LogName = 'System'; ProviderName = 'Microsoft-Windows-WindowsUpdateClient'; Level = 2, 3; StartTime = $since }
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
    if ($reset -and $runs.Count -eq 0) { return Answer 'unknown' @{ why = 'Windows Update was reset, and no patch run has used it since' } }
    if ($network.Count -gt 0) { return Answer 'ok' @{ hresult = $network[-1]; count = 0; source = $source } }
    Answer 'ok' @{ hresult = ''; count = 0; source = $source }
}

$Looks['reboot-pending'] = {
    $reasons = @()
    if (Test-Path -Path 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending') { $reasons += 'component servicing' }
    if (Test-Path -Path 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired') { $reasons += 'Windows Update' }
    $state = 'ok'
    if ($reasons.Count -gt 0) { $state = 'bad' }
    Answer $state @{ reasons = ($reasons -join ', ') }
}

# Group policy and a hand at the registry write to the same place; without either, the settings of
# the system's own page count.
$Looks['wsus-settings'] = {
    $automatic = Join-Path $UpdatePolicy 'AU'
    $facts = @{ error = ''; source = '' }
    $facts['use_wu_server'] = [string](Get-RegistryValue $automatic 'UseWUServer')
    $facts['wu_server'] = [string](Get-RegistryValue $UpdatePolicy 'WUServer')
    $facts['wu_status_server'] = [string](Get-RegistryValue $UpdatePolicy 'WUStatusServer')
    $facts['disable_access'] = [string](Get-RegistryValue $UpdatePolicy 'DisableWindowsUpdateAccess')
    $facts['au_options'] = [string](Get-RegistryValue $automatic 'AUOptions')
    $facts['no_auto_update'] = [string](Get-RegistryValue $automatic 'NoAutoUpdate')
    $facts['no_internet'] = [string](Get-RegistryValue $UpdatePolicy 'DoNotConnectToWindowsUpdateInternetLocations')
    foreach ($name in @($facts.Keys)) { if ($facts[$name] -ne '') { $facts.source = 'policy' } }
    if (-not $facts.source) {
        $facts['au_options'] = [string](Get-RegistryValue 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update' 'AUOptions')
        if ($facts['au_options']) { $facts.source = 'registry' }
    }
    if ($facts['use_wu_server'] -eq '1') {
        $server = $null
        $status = $null
        if (-not $facts['wu_server'].Trim()) { $facts.error = 'no-server' }
        elseif ($facts['wu_server'] -notmatch '^https?://' -or -not [Uri]::TryCreate($facts['wu_server'], [UriKind]::Absolute, [ref]$server)) { $facts.error = 'bad-url' }
        elseif (-not [Uri]::TryCreate($facts['wu_status_server'], [UriKind]::Absolute, [ref]$status) -or $server.Host -ne $status.Host) { $facts.error = 'mismatch' }
    }
    if (-not $facts.error -and $facts['disable_access'] -eq '1') { $facts.error = 'access-disabled' }
    if ($facts.error) { Answer 'bad' $facts } else { Answer 'ok' $facts }
}

# DISM reads a flag here, it does not scan and repairs nothing. Its own log goes to a file that is
# removed again. While something is being serviced it is not asked, for it would wait.
$Looks['component-store'] = {
    $root = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing'
    $pending = @()
    foreach ($name in 'RebootPending', 'RebootInProgress', 'PackagesPending') {
        if (Test-Path -LiteralPath (Join-Path $root $name)) { $pending += $name }
    }
    if (Test-Path -LiteralPath (Join-Path $env:SystemRoot 'WinSxS\pending.xml')) { $pending += 'pending.xml' }
    $session = [string](Get-RegistryValue (Join-Path $root 'SessionsPending') 'Exclusive')
    $facts = @{ health = ''; pending = ($pending -join ' '); session = $session }
    if (@(Get-CimInstance -ClassName Win32_Process -Filter "Name = 'TiWorker.exe' OR Name = 'Dism.exe'").Count -gt 0) {
        $facts['why'] = 'servicing is at work, so the store was not asked for its state'
        return Answer 'unknown' $facts
    }
    $log = Join-Path ([IO.Path]::GetTempPath()) ('patchmedic-check-' + [Guid]::NewGuid().ToString() + '.log')
    try {
        $program = Join-Path $env:SystemRoot 'System32\Dism.exe'
        $text = Invoke-Program $program ('/English /Online /Cleanup-Image /CheckHealth /LogLevel:1 /LogPath:"' + $log + '"') 40
    }
    finally { try { [IO.File]::Delete($log) } catch { $null = $_ } }
    if ($null -eq $text) { $facts['why'] = 'DISM was not done within 40 seconds' }
    elseif ($text -match 'No component store corruption detected') { $facts.health = 'healthy' }
    elseif ($text -match 'component store is repairable') { $facts.health = 'repairable' }
    elseif ($text -match 'component store cannot be repaired') { $facts.health = 'corrupt' }
    elseif ($text -match '(?i)\b(0x[0-9a-f]{8})\b') { $facts['why'] = 'DISM ended with ' + $Matches[1] }
    else { $facts['why'] = 'DISM did not say in English how the store is' }
    if (-not $facts.health) { return Answer 'unknown' $facts }
    if ($facts.health -eq 'healthy') { Answer 'ok' $facts } else { Answer 'bad' $facts }
}

# Lines of CBS.log with a result code, newest last: those that name a damaged store, else errors.
# Many of the former are written as mere information. The log is never in the system's language.
# What is older than the remedy's last repair speaks of the store as it was.
$Looks['cbs-errors'] = {
    $folder = Join-Path $env:SystemRoot 'Logs\CBS'
    $path = Join-Path $folder 'CBS.log'
    if (-not (Test-Path -LiteralPath $path)) { return Answer 'unknown' @{ why = 'there is no CBS.log' } }
    $text = Get-LogEnd $path 524288
    if ($text.Length -lt 262144) {
        # It was begun anew lately: what came before stands in the newest of the kept ones.
        foreach ($kept in @(Get-Item -Path (Join-Path $folder 'CbsPersist_*.log') -ErrorAction SilentlyContinue | Sort-Object -Property LastWriteTimeUtc -Descending | Select-Object -First 1)) {
            $text = (Get-LogEnd $kept.FullName 262144) + "`n" + $text
        }
    }
    $damage = '^0x(80073712|80073701|800736CC|8007371B|800F081F|800F0831|800F0982|800F0984)$'
    $oldest = [DateTime]::Now.AddHours(-72)
    $repaired = [string](Get-RegistryValue 'HKLM:\SOFTWARE\PatchMedic' 'ComponentStoreRepaired')
    if ($repaired -match '^\d{14}$') {
        $end = [DateTime]::ParseExact($repaired, 'yyyyMMddHHmmss', [Globalization.CultureInfo]::InvariantCulture).ToLocalTime()
        if ($end -gt $oldest) { $oldest = $end }
    }
    $last = $null
    $count = 0
    foreach ($match in [regex]::Matches($text, '(?m)^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d), (Error|Info|Warning) +(\w+) +([^\r\n]*HRESULT = (0x[0-9a-fA-F]{8})[^\r\n]*)')) {
        $code = '0x' + $match.Groups[5].Value.Substring(2).ToUpperInvariant()
        $damaged = ($code -match $damage)
        if (-not $damaged -and $match.Groups[2].Value -ne 'Error') { continue }
        $when = [DateTime]::ParseExact($match.Groups[1].Value, 'yyyy-MM-dd HH:mm:ss', [Globalization.CultureInfo]::InvariantCulture)
        if ($when -lt $oldest) { continue }
        $count += 1
        if ($last -and $last.damaged -and -not $damaged) { continue }
        $last = @{ damaged = $damaged; code = $code; when = $when; line = $match.Groups[4].Value; by = $match.Groups[3].Value }
    }
    if (-not $last) { return Answer 'ok' @{ hresult = ''; count = 0 } }
    $line = $last.line
    if ($line.Length -gt 200) { $line = $line.Substring(0, 200) }
    $operation = $last.by
    if ($last.line -match '(Package_for_[A-Za-z0-9_]+|KB\d{6,8})') { $operation = $last.by + ' ' + $Matches[1] }
    $minutes = [long][Math]::Max(0, [Math]::Floor(([DateTime]::Now - $last.when).TotalMinutes))
    Answer 'bad' @{ hresult = $last.code; count = $count; minutes = $minutes; operation = $operation; line = $line }
}

# What Windows Update itself keeps about its installations. Only the newest result of an update
# counts: a failure that a later run mended is none.
$Looks['update-history'] = {
    $session = New-Object -ComObject 'Microsoft.Update.Session'
    $searcher = $session.CreateUpdateSearcher()
    $total = $searcher.GetTotalHistoryCount()
    $facts = @{ failed = 0; hresult = ''; title = ''; minutes = ''; last_success_minutes = '' }
    if ($total -eq 0) { return Answer 'ok' $facts }
    $entries = @($searcher.QueryHistory(0, [Math]::Min($total, 60)) | Sort-Object -Property Date -Descending)
    $seen = @{}
    foreach ($entry in $entries) {
        if ($entry.Operation -ne 1) { continue }
        $age = Get-MinutesSince $entry.Date
        if (($entry.ResultCode -eq 2 -or $entry.ResultCode -eq 3) -and $facts['last_success_minutes'] -eq '') { $facts['last_success_minutes'] = [string]$age }
        $name = [string]$entry.Title
        if ($name -match 'KB\d{6,8}') { $name = $Matches[0] }
        if ($seen.ContainsKey($name)) { continue }
        $seen[$name] = $true
        if ($age -gt 10080 -or ($entry.ResultCode -ne 4 -and $entry.ResultCode -ne 5)) { continue }
        $facts.failed += 1
        if ($facts.hresult) { continue }
        $facts.hresult = '0x{0:X8}' -f $entry.HResult
        $facts.title = $name
        $facts.minutes = [string]$age
    }
    if ($facts.failed -gt 0) { Answer 'bad' $facts } else { Answer 'ok' $facts }
}

# An update was undone at start when the same package first waited for the restart (event 4), then
# Windows started, and then its installation failed (event 3). A failure without that order is one
# of installing. CBS itself writes down that it undoes.
$Looks['rollback'] = {
    $since = (Get-Date).AddDays(-3)
    $signs = @()
    $facts = @{ signs = ''; package = ''; hresult = ''; minutes = '' }
    $starts = @(Get-WinEvent -FilterHashtable @{ LogName = 'System'; ProviderName = 'Microsoft-Windows-Kernel-General'; Id = 12; StartTime = $since } -MaxEvents 20 -ErrorAction SilentlyContinue)
    $waiting = @{}
    $changes = @(Get-WinEvent -FilterHashtable @{ LogName = 'Setup'; ProviderName = 'Microsoft-Windows-Servicing'; Id = 2, 3, 4; StartTime = $since } -MaxEvents 200 -ErrorAction SilentlyContinue)
    foreach ($change in @($changes | Sort-Object -Property TimeCreated)) {
        $xml = $change.ToXml()
        if ($xml -notmatch '<PackageIdentifier>([A-Za-z0-9_.~-]{1,120})</PackageIdentifier>') { continue }
        $package = $Matches[1]
        if ($change.Id -eq 4) { $waiting[$package] = $change.TimeCreated; continue }
        $asked = $waiting[$package]
        $waiting.Remove($package)
        if ($change.Id -eq 2) {
            if ($facts.package -eq $package) { $facts.package = ''; $signs = @() }
            continue
        }
        if (-not $asked) { continue }
        $between = @($starts | Where-Object { $_.TimeCreated -gt $asked -and $_.TimeCreated -lt $change.TimeCreated })
        if ($between.Count -eq 0) { continue }
        $signs = @('event 3')
        $facts.package = $package
        $facts.hresult = ''
        if ($xml -match '<ErrorCode>(0x[0-9a-fA-F]{1,8})</ErrorCode>') { $facts.hresult = $Matches[1] }
        $facts.minutes = [string](Get-MinutesSince ($change.TimeCreated.ToUniversalTime()))
    }
    $oldest = [DateTime]::Now.AddHours(-72)
    $text = Get-LogEnd (Join-Path $env:SystemRoot 'Logs\CBS\CBS.log') 524288
    foreach ($match in [regex]::Matches($text, '(?m)^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d), \w+ +CBS +([^\r\n]*(A rollback transaction will be created|Rolling back KTM)[^\r\n]*)')) {
        $when = [DateTime]::ParseExact($match.Groups[1].Value, 'yyyy-MM-dd HH:mm:ss', [Globalization.CultureInfo]::InvariantCulture)
        if ($when -lt $oldest) { continue }
        if ($signs -notcontains 'CBS') { $signs += 'CBS' }
        if (-not $facts.hresult -and $match.Groups[2].Value -match 'HRESULT = (0x[0-9a-fA-F]{8})') { $facts.hresult = $Matches[1] }
        if (-not $facts.minutes) { $facts.minutes = [string][long][Math]::Floor(([DateTime]::Now - $when).TotalMinutes) }
    }
    $facts.signs = $signs -join ', '
    if ($signs.Count -gt 0) { return Answer 'bad' $facts }
    # Not a sign by itself: it lies there whenever a restart is due.
    if (Test-Path -LiteralPath (Join-Path $env:SystemRoot 'WinSxS\pending.xml')) { $facts['left'] = 'pending.xml' }
    Answer 'ok' $facts
}

# The helper of servicing stays for a while after its work, and DISM above may just have started it:
# it counts when it is older than this document and uses the processor.
$Looks['installer'] = {
    $began = [Diagnostics.Process]::GetCurrentProcess().StartTime
    $facts = @{ process = ''; minutes = '' }
    $filter = "Name = 'TiWorker.exe' OR Name = 'wusa.exe' OR Name = 'Dism.exe'"
    $before = @(Get-CimInstance -ClassName Win32_Process -Filter $filter | Where-Object { $_.CreationDate -lt $began })
    if ($before.Count -gt 0) {
        Start-Sleep -Seconds 3
        $spent = @{}
        foreach ($process in $before) { $spent[[string]$process.ProcessId] = [long]$process.KernelModeTime + [long]$process.UserModeTime }
        foreach ($process in @(Get-CimInstance -ClassName Win32_Process -Filter $filter)) {
            $id = [string]$process.ProcessId
            if ($facts.process -or -not $spent.ContainsKey($id)) { continue }
            # In units of 100 ns: a tenth of a second of work in three.
            if ([long]$process.KernelModeTime + [long]$process.UserModeTime - $spent[$id] -lt 1000000) { continue }
            $facts.process = [string]$process.Name
            $facts.minutes = [string](Get-MinutesSince ($process.CreationDate.ToUniversalTime()))
        }
    }
    if (-not $facts.process -and (Test-Path -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Installer\InProgress')) { $facts.process = 'msiexec.exe' }
    if (-not $facts.process) {
        $installer = New-Object -ComObject 'Microsoft.Update.Installer'
        if ($installer.IsBusy) { $facts.process = 'Windows Update' }
    }
    if ($facts.process) { Answer 'bad' $facts } else { Answer 'ok' $facts }
}
