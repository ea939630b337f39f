# Frees space on the system drive, and only from updates that Windows downloads again when it wants
# them. Never user data.
$Remedy = 'free-disk-space'
$NeedMb = 1024
$Download = Join-Path $env:SystemRoot 'SoftwareDistribution\Download'

function Get-FreeMb {
    [long][Math]::Floor((New-Object IO.DriveInfo($env:SystemDrive)).AvailableFreeSpace / 1MB)
}

$before = Get-FreeMb
if ($before -ge $NeedMb) { Write-Report 'nothing-to-do' @{ path = $env:SystemDrive; free_mb = $before } }
try { $reason = Get-ServicingReason } catch { $reason = 'Windows Update does not say whether it is busy: ' + $_.Exception.Message }
if ($reason) { Write-Report 'refused' @{ why = $reason; path = $env:SystemDrive; free_mb = $before } }

$service = Get-Service -Name 'wuauserv'
$wasRunning = ([string]$service.Status -eq 'Running')
try {
    Stop-Quietly 'wuauserv'
    if (Test-Path -LiteralPath $Download) {
        # A file that something else has open stays; what remains is reported below.
        Get-ChildItem -LiteralPath $Download -Force | Remove-Item -Recurse -Force -ErrorAction SilentlyContinue
    }
}
finally {
    if ($wasRunning) { Start-Service -Name 'wuauserv' }
}
$after = Get-FreeMb
$facts = @{ path = $env:SystemDrive; freed_mb = [Math]::Max(0, $after - $before); free_mb = $after; need_mb = $NeedMb }
if ($after -lt $NeedMb) {
    $facts['why'] = 'still short of space; nothing else may be removed by machine'
    Write-Report 'failed' $facts
}
Write-Report 'done' $facts
