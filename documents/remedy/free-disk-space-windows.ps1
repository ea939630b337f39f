# Frees space on the system drive, and only from updates that Windows downloads again when it wants
# them. Never user data.
$Remedy = 'free-disk-space'
$NeedMb = 1024
$Download = Join-Path $env:SystemRoot 'SoftwareDistribution\Download'

function Get-FreeMb {
    [long][Math]::Floor((New-Object IO.DriveInfo($env:SystemDrive)).AvailableFreeSpace / 1048576)
}

# A run that was cut off left this stopped.
$stopped = @([string](Get-RegistryValue $Notes 'FreeDiskSpace') -split '\|' | Where-Object { $_ -match '^[A-Za-z0-9_. -]+$' })
if ($stopped.Count -gt 0) {
    $failure = Start-Again $stopped
    if ($failure) { Write-Report 'failed' @{ why = $failure } }
    Set-Note 'FreeDiskSpace' ''
}
$before = Get-FreeMb
if ($before -ge $NeedMb) { Write-Report 'nothing-to-do' @{ path = $env:SystemDrive; free_mb = $before } }
$reason = Get-BusyReason
$pending = Get-PendingRestart
if (-not $reason -and $pending) { $reason = "a restart is pending ($pending)" }
$running = @(Get-RunningService @('wuauserv'))
foreach ($name in $running) {
    if ($name -notmatch '^[A-Za-z0-9_. -]+$') { $reason = "a service of an unusual name depends on Windows Update: $name" }
}
if ($reason) { Write-Report 'refused' @{ why = $reason; path = $env:SystemDrive; free_mb = $before } }

# A full disk may refuse the note, which is for a run that is cut off; space matters more.
$noted = $false
try {
    if ($running.Count -gt 0) { Set-Note 'FreeDiskSpace' ($running -join '|'); $noted = $true }
}
catch { $null = $_ }
$failure = ''
try {
    Stop-Quietly 'wuauserv'
    if (Test-Path -LiteralPath $Download) {
        # A file that something else has open stays; what remains is reported below.
        Get-ChildItem -LiteralPath $Download -Force | Remove-Item -Recurse -Force -ErrorAction SilentlyContinue
    }
}
catch { $failure = $_.Exception.Message }
$failure = ($failure + ' ' + (Start-Again $running)).Trim()
if (-not $failure -and $noted) { Set-Note 'FreeDiskSpace' '' }
$after = Get-FreeMb
$facts = @{ path = $env:SystemDrive; freed_mb = [Math]::Max(0, $after - $before); free_mb = $after; need_mb = $NeedMb }
if ($after -lt $NeedMb -and -not $failure) { $failure = 'still short of space; nothing else may be removed by machine' }
if ($failure) {
    $facts['why'] = $failure
    Write-Report 'failed' $facts
}
Write-Report 'done' $facts
