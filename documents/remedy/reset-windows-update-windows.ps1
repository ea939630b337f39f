# Gives Windows Update a new datastore and catalogue: stops its services, renames
# SoftwareDistribution and catroot2 (the old ones stay beside them, for undo), starts the services.
# A run that was cut off is completed by the next: its note says when it began and what it stopped.
$Remedy = 'reset-windows-update'
$AgainHours = 24
$ComplaintHours = 48
$Services = @('wuauserv', 'BITS', 'CryptSvc')
$Folders = @((Join-Path $env:SystemRoot 'SoftwareDistribution'), (Join-Path $env:SystemRoot 'System32\catroot2'))

# When the newest datastore was put aside (its name tells), as a stamp; empty when none was.
function Get-LastReset {
    $last = ''
    foreach ($copy in @(Get-Item -Path ($Folders[0] + '.patchmedic-*') -ErrorAction SilentlyContinue)) {
        if ($copy.FullName -match '\.patchmedic-(\d{14})$' -and $Matches[1] -gt $last) { $last = $Matches[1] }
    }
    $last
}

function Get-Copy([string]$Folder, [string]$Stamp) { $Folder + '.patchmedic-' + $Stamp }

# CryptSvc comes back by itself when anything asks for a signature, and holds catroot2.
function Move-Aside([string]$Folder, [string]$Copy) {
    $attempt = 1
    while ($attempt -gt 0) {
        try {
            foreach ($name in $Services) { Stop-Quietly $name }
            Rename-Item -LiteralPath $Folder -NewName (Split-Path -Leaf $Copy)
            $attempt = 0
        }
        catch {
            if ($attempt -ge 5) { throw }
            $attempt += 1
            Start-Sleep -Seconds 3
        }
    }
}

# A run that was cut off: its services first, for they may have been stopped for long.
$now = [DateTime]::UtcNow
$stamp = ''
if ([string](Get-RegistryValue $Notes 'ResetWindowsUpdate') -match '^(\d{14})((\|[A-Za-z0-9_. -]+)*)$') {
    $stamp = $Matches[1]
    $stopped = @($Matches[2] -split '\|' | Where-Object { $_ })
    if ((ConvertFrom-Stamp $stamp) -lt $now.AddHours(-$AgainHours)) {
        Set-Note 'ResetWindowsUpdate' ''
        $stamp = ''
    }
    $failure = Start-Again $stopped
    if ($failure) { Write-Report 'failed' @{ why = $failure; started = ($stopped -join ' ') } }
}
$code = ''
if (-not $stamp) {
    $since = $now.AddHours(-$ComplaintHours)
    $last = Get-LastReset
    if ($last -and (ConvertFrom-Stamp $last) -gt $since) { $since = ConvertFrom-Stamp $last }
    $code = Get-ComponentCode $since
    if (-not $code) { Write-Report 'nothing-to-do' @{ hresult = ''; last_reset = $last } }
    if ($last -and (ConvertFrom-Stamp $last) -gt $now.AddHours(-$AgainHours)) {
        Write-Report 'refused' @{ why = 'the last reset did not help'; hresult = $code; last_reset = $last }
    }
}
$reason = Get-BusyReason
$pending = Get-PendingRestart
if (-not $reason -and $pending) { $reason = "a restart is pending ($pending)" }
$running = @(Get-RunningService $Services)
foreach ($name in $running) {
    if ($name -notmatch '^[A-Za-z0-9_. -]+$') { $reason = "a service of an unusual name depends on Windows Update: $name" }
}
if ($reason) { Write-Report 'refused' @{ why = $reason; hresult = $code } }

if (-not $stamp) { $stamp = ConvertTo-Stamp $now }
$failure = ''
try {
    Set-Note 'ResetWindowsUpdate' ((@($stamp) + $running) -join '|')
    foreach ($folder in $Folders) {
        $copy = Get-Copy $folder $stamp
        if ((Test-Path -LiteralPath $folder) -and -not (Test-Path -LiteralPath $copy)) { Move-Aside $folder $copy }
    }
}
catch { $failure = $_.Exception.Message }
$failure = ($failure + ' ' + (Start-Again (@($running + 'CryptSvc') | Select-Object -Unique))).Trim()
$kept = @($Folders | ForEach-Object { Get-Copy $_ $stamp } | Where-Object { Test-Path -LiteralPath $_ })
$facts = @{ hresult = $code; kept = ($kept -join ' '); started = ($running -join ' ') }
if ($failure) {
    $facts['why'] = $failure
    Write-Report 'failed' $facts
}
Set-Note 'ResetWindowsUpdate' ''
Write-Report 'done' $facts
