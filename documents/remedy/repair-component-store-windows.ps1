# Repairs the component store with Windows' own tools: DISM, then the system file checker. Only DISM
# speaks English when it is told to; of the other, the exit code counts.
$Remedy = 'repair-component-store'
$NeedMb = 4096
$LookSeconds = 120
$RestoreSeconds = 3600
$FilesSeconds = 1800
$Cbs = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing'
$Dism = Join-Path $env:SystemRoot 'System32\Dism.exe'

# healthy, repairable or corrupt, as Windows has marked the store; empty when DISM says none of it.
function Get-StoreHealth {
    $run = Invoke-Tool $Dism '/English /Online /Cleanup-Image /CheckHealth /NoRestart' $LookSeconds
    if ($run.text -match 'No component store corruption detected') { return 'healthy' }
    if ($run.text -match 'component store is repairable') { return 'repairable' }
    if ($run.text -match 'component store cannot be repaired') { return 'corrupt' }
    ''
}

# The newest code of a damaged store in CBS.log: of three days, and since this remedy's last repair.
function Get-StoreDamage {
    $since = [DateTime]::UtcNow.AddHours(-72).ToLocalTime()
    $repaired = [string](Get-RegistryValue $Notes 'ComponentStoreRepaired')
    if ($repaired -match '^\d{14}$') {
        $end = (ConvertFrom-Stamp $repaired).ToLocalTime()
        if ($end -gt $since) { $since = $end }
    }
    $last = ''
    $text = Get-LogEnd (Join-Path $env:SystemRoot 'Logs\CBS\CBS.log') 524288
    foreach ($match in [regex]::Matches($text, '(?m)^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d), [^\r\n]*HRESULT = (0x[0-9a-fA-F]{8})')) {
        if ($match.Groups[2].Value -notmatch '^0x(80073712|80073701|800736CC|8007371B|800F081F|800F0831|800F0982|800F0984)$') { continue }
        $when = [DateTime]::ParseExact($match.Groups[1].Value, 'yyyy-MM-dd HH:mm:ss', [Globalization.CultureInfo]::InvariantCulture)
        if ($when -gt $since) { $last = $match.Groups[2].Value }
    }
    $last
}

# Why servicing may not be asked for more now; empty when nothing speaks against it.
function Get-PendingReason {
    $pending = Get-PendingRestart
    if ($pending) { return "a restart is pending ($pending)" }
    foreach ($name in 'RebootInProgress', 'PackagesPending') {
        if (Test-Path -LiteralPath (Join-Path $Cbs $name)) { return "servicing is not finished ($name)" }
    }
    $session = Get-RegistryValue (Join-Path $Cbs 'SessionsPending') 'Exclusive'
    if ($session -and $session -ne 0) { return 'servicing is not finished (SessionsPending)' }
    ''
}

function Get-CodeText($Run) {
    if ($Run.ended) { '0x{0:X8}' -f $Run.code } else { 'not done in time' }
}

$reason = Get-BusyReason
if (-not $reason) { $reason = Get-PendingReason }
if ($reason) { Write-Report 'refused' @{ why = $reason } }
$facts = @{ before = (Get-StoreHealth); damage = (Get-StoreDamage) }
if ($facts.before -eq 'healthy' -and -not $facts.damage) { Write-Report 'nothing-to-do' @{ before = 'healthy' } }
$free = [long][Math]::Floor((New-Object IO.DriveInfo($env:SystemDrive)).AvailableFreeSpace / 1048576)
if (-not $facts.before) { $facts['why'] = 'DISM does not say how the store is' }
elseif ($facts.before -eq 'corrupt') { $facts['why'] = 'DISM says that this store cannot be repaired: it takes an in-place upgrade or a new instance' }
elseif ($free -lt $NeedMb) { $facts['why'] = "only $free MB are free, a repair may need $NeedMb" }
if ($facts.ContainsKey('why')) { Write-Report 'refused' $facts }

$restore = Invoke-Tool $Dism '/English /Online /Cleanup-Image /RestoreHealth /NoRestart' $RestoreSeconds
$facts['dism_exit'] = Get-CodeText $restore
# 3010: done, and a restart is due.
if (-not $restore.ended -or ($restore.code -ne 0 -and $restore.code -ne 3010)) {
    $facts['why'] = 'DISM could not repair the store: ' + $facts['dism_exit']
    if ($facts['dism_exit'] -match '^0x800F081F$') { $facts['why'] = 'DISM found no source for the missing files (0x800F081F): it needs Windows Update, WSUS with such content, or an image' }
    Write-Report 'failed' $facts
}
$facts['sfc_exit'] = Get-CodeText (Invoke-Tool (Join-Path $env:SystemRoot 'System32\sfc.exe') '/scannow' $FilesSeconds)
$facts['after'] = Get-StoreHealth
$facts['restart'] = Get-PendingRestart
if ($facts.after -ne 'healthy') {
    $facts['why'] = 'the store is still not healthy'
    Write-Report 'failed' $facts
}
# Without the note the next run only looks harder.
try { Set-Note 'ComponentStoreRepaired' (ConvertTo-Stamp ([DateTime]::UtcNow)) } catch { $facts['note'] = $_.Exception.Message }
Write-Report 'done' $facts
