# Runs the checks that were asked for, all at once, each in a runspace of its own, and prints one
# document. [Console] writes it: Write-Output would wrap long lines on some hosts.
$RunSeconds = 50
$OutputCharactersMax = 19000
$Order = @('disk-space', 'memory', 'patch-runs', 'credentials', 'dns', 'tls', 'proxies', 's3-reach', 'ssm-reach',
    'agent', 'agent-diagnostics', 'hibernation', 'registration', 'state-files', 'imds', 'clock',
    'wsus-settings', 'wu-services', 'wu-reach', 'wu-components', 'component-store', 'cbs-errors',
    'update-history', 'rollback', 'powershell', 'sysprep', 'installer', 'reboot-pending', 'patch-log-tail')

function Write-Document($Parts) {
    [Console]::Out.WriteLine('<<<PATCHMEDIC-FINDINGS')
    [Console]::Out.WriteLine('{"schema":1,"platform":"windows","checks":[' + ($Parts -join ',') + ']}')
    [Console]::Out.WriteLine('PATCHMEDIC-FINDINGS>>>')
    [Console]::Out.Flush()
}

function Get-AnswerText([string]$Name, [string]$State, $Facts) {
    '{"check":"' + $Name + '","state":"' + $State + '","facts":{' + (ConvertTo-FactText $Facts) + '}}'
}

function Get-WantedCheck {
    $names = $Order
    if ($Checks -ne 'all') { $names = $Checks -split ',' | Where-Object { $_ } }
    $first = @($names | Where-Object { $_ -ne 'patch-log-tail' } | Select-Object -Unique)
    # The tail of the log last, for it may fill what room is left.
    if ($names -contains 'patch-log-tail') { $first += 'patch-log-tail' }
    $first
}

function Start-Look([string]$Name) {
    $shell = [PowerShell]::Create()
    $null = $shell.AddScript("param(`$Region)`n" + $Library.ToString() + "`n& {" + $Looks[$Name].ToString() + '}')
    $null = $shell.AddArgument($Region)
    @{ name = $Name; shell = $shell; handle = $shell.BeginInvoke() }
}

function Complete-Look($Look) {
    if (-not $Look.handle.IsCompleted) {
        return Get-AnswerText $Look.name 'unknown' @{ why = "not done within $RunSeconds seconds" }
    }
    try {
        $answer = @($Look.shell.EndInvoke($Look.handle))[-1]
        Get-AnswerText $Look.name $answer['state'] $answer['facts']
    }
    catch {
        $failure = $_.Exception
        while ($failure.InnerException) { $failure = $failure.InnerException }
        Get-AnswerText $Look.name 'unknown' @{ why = $failure.Message }
    }
}

if ($Checks -cnotmatch '^[a-z0-9,-]{2,1300}$') {
    [Console]::Error.WriteLine('The parameter Checks must be all, or names of checks with commas between.')
    exit 2
}
if ($Region -cnotmatch '^[a-z]{2}(-[a-z]+)+-[0-9]$') {
    [Console]::Error.WriteLine('The parameter Region must be the code of an AWS Region.')
    exit 2
}
if ([string]$ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') {
    # Nothing of .NET may be called then, and a patch run could not work either: the one thing that
    # is certain is said by the check whose matter it is.
    $mode = [string]$ExecutionContext.SessionState.LanguageMode
    $parts = Get-WantedCheck | ForEach-Object {
        $facts = '"state":"unknown","facts":{"why":"PowerShell runs in ' + $mode + '"}}'
        if ($_ -eq 'powershell') { $facts = '"state":"bad","facts":{"error":"constrained","language_mode":"' + $mode + '","version":"' + $PSVersionTable.PSVersion + '"}}' }
        '{"check":"' + $_ + '",' + $facts
    }
    '<<<PATCHMEDIC-FINDINGS'
    '{"schema":1,"platform":"windows","checks":[' + ($parts -join ',') + ']}'
    'PATCHMEDIC-FINDINGS>>>'
    exit 0
}
$deadline = [DateTime]::UtcNow.AddSeconds($RunSeconds)
$running = @()
$answers = @{}
foreach ($name in (Get-WantedCheck)) {
    if ($Order -notcontains $name) { $answers[$name] = Get-AnswerText $name 'unknown' @{ why = 'no check of this name for windows' } }
    else { $running += Start-Look $name }
}
while ([DateTime]::UtcNow -lt $deadline -and @($running | Where-Object { -not $_.handle.IsCompleted }).Count -gt 0) {
    Start-Sleep -Milliseconds 100
}
foreach ($look in $running) { $answers[$look.name] = Complete-Look $look }
$parts = @()
$size = 0
foreach ($name in (Get-WantedCheck)) {
    $text = $answers[$name]
    if ($size + $text.Length -gt $OutputCharactersMax) { $text = Get-AnswerText $name 'unknown' @{ why = 'no room left in the output' } }
    $size += $text.Length + 1
    $parts += $text
}
Write-Document $parts
# A check that hangs in the system must not keep the process alive.
[Environment]::Exit(0)
