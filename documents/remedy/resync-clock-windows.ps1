# Lets Windows' own time service set the clock from the source that it is configured for; in a domain
# that is the domain. Sets no time by itself, names no other source and enables nothing.
$Remedy = 'resync-clock'
$OffsetSecondsMax = 300
$AskTurns = 3
$WaitTurns = 10

# What a server of AWS says in its answer's head; without TLS too, which a wrong clock breaks.
function Get-ServerDate([string]$Url) {
    $request = [Net.HttpWebRequest][Net.WebRequest]::Create($Url)
    $request.Method = 'HEAD'
    $request.Timeout = 5000
    $request.ReadWriteTimeout = 5000
    $request.AllowAutoRedirect = $false
    $response = $null
    try { $response = $request.GetResponse() }
    catch {
        $failure = $_.Exception
        while ($failure -isnot [Net.WebException] -and $failure.InnerException) { $failure = $failure.InnerException }
        if ($failure -is [Net.WebException]) { $response = $failure.Response }
    }
    if (-not $response) { return '' }
    $date = [string]$response.Headers['Date']
    $response.Close()
    $date
}

# How far the clock is ahead of real time in seconds; $null when no server told the time.
function Get-ClockOffset([string]$Region) {
    $domain = 'amazonaws.com'
    if ($Region.StartsWith('cn-')) { $domain = 'amazonaws.com.cn' }
    foreach ($url in "http://s3.$Region.$domain/", "https://s3.$Region.$domain/", "https://ssm.$Region.$domain/") {
        $date = Get-ServerDate $url
        if (-not $date) { continue }
        $there = [DateTime]::Parse($date, [Globalization.CultureInfo]::InvariantCulture).ToUniversalTime()
        return [long]([DateTime]::UtcNow - $there).TotalSeconds
    }
    $null
}

# What the service takes time from, a policy first: NTP, NT5DS (the domain), AllSync or NoSync.
function Get-TimeSetting([string]$Name) {
    foreach ($key in 'HKLM:\SOFTWARE\Policies\Microsoft\W32Time\Parameters', 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\Parameters') {
        $value = [string](Get-RegistryValue $key $Name)
        if ($value) { return $value }
    }
    ''
}

# Why this node's time service cannot be asked; empty when it can.
function Get-TimeReason([string]$Follows, [string]$Servers) {
    $computer = Get-CimInstance -ClassName Win32_ComputerSystem
    if ($computer.DomainRole -ge 4) { return 'this node is a domain controller, whose clock others follow' }
    if ($Follows -ne 'NTP' -and $Follows -ne 'NT5DS' -and $Follows -ne 'AllSync') { return "the time service is set to follow nothing (Type=$Follows)" }
    if ($Follows -eq 'NTP' -and -not $Servers) { return 'the time service is to ask a server, and none is named' }
    if ($Follows -eq 'NT5DS' -and -not $computer.PartOfDomain) { return 'the time service is to follow a domain, and the node is in none' }
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name = 'W32Time'"
    if (-not $service) { return 'there is no time service (W32Time)' }
    if ($service.StartMode -eq 'Disabled') { return 'the time service (W32Time) is disabled' }
    if (Test-PatchRun) { return 'a patch run is alive' }
    ''
}

$region = [string]$env:AWS_SSM_REGION_NAME
if ($region -cnotmatch '^[a-z]{2}(-[a-z]+)+-[0-9]$') { Write-Report 'refused' @{ why = 'the agent names no Region, so no server can be asked for the time' } }
$offset = Get-ClockOffset $region
if ($null -eq $offset) { Write-Report 'refused' @{ why = 'no server told the time' } }
$facts = @{ offset_before_seconds = $offset; offset_seconds = $offset; follows = (Get-TimeSetting 'Type'); servers = (Get-TimeSetting 'NtpServer') }
if ($facts.follows -eq 'NT5DS') { $facts.servers = 'the domain' }
if ([Math]::Abs($offset) -le $OffsetSecondsMax) { Write-Report 'nothing-to-do' $facts }
$reason = Get-TimeReason $facts.follows $facts.servers
if ($reason) {
    $facts['why'] = $reason
    Write-Report 'refused' $facts
}

$failure = ''
try {
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name = 'W32Time'"
    if ($service.State -ne 'Running') {
        Start-Service -Name 'W32Time'
        $facts['started'] = 'W32Time'
    }
    # A service that has just started may have heard from nobody yet.
    $turn = 0
    while ($turn -lt $AskTurns) {
        $run = Invoke-Tool (Join-Path $env:SystemRoot 'System32\w32tm.exe') '/resync /rediscover' 60
        $facts['w32tm_exit'] = 'not done in time'
        if ($run.ended) { $facts['w32tm_exit'] = '0x{0:X8}' -f $run.code }
        if ($run.ended -and $run.code -eq 0) { break }
        $turn += 1
        Start-Sleep -Seconds 5
    }
    # Turns are counted: a clock that is being set does not tell how long that takes.
    $turn = 0
    while ($turn -lt $WaitTurns) {
        $offset = Get-ClockOffset $region
        if ($null -ne $offset) {
            $facts.offset_seconds = $offset
            if ([Math]::Abs($offset) -le $OffsetSecondsMax) { break }
        }
        $turn += 1
        Start-Sleep -Seconds 3
    }
}
catch { $failure = $_.Exception.Message }
if (-not $failure -and [Math]::Abs($facts.offset_seconds) -gt $OffsetSecondsMax) {
    $failure = 'the time service did not correct the clock: its source does not answer, or the clock is further off than it may correct (MaxPosPhaseCorrection, MaxNegPhaseCorrection)'
}
if ($failure) {
    $facts['why'] = $failure
    Write-Report 'failed' $facts
}
Write-Report 'done' $facts
