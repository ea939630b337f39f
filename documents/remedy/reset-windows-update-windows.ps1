# Gives Windows Update a new datastore and catalogue: stops its services, renames
# SoftwareDistribution and catroot2 (the old ones stay beside them, for undo), starts the services.
# A run that was cut off is completed by the next: each step looks whether it is still needed.
$Remedy = 'reset-windows-update'
$FreshHours = 24
$Services = @('wuauserv', 'BITS', 'CryptSvc')
$Folders = @((Join-Path $env:SystemRoot 'SoftwareDistribution'), (Join-Path $env:SystemRoot 'System32\catroot2'))
$Stamp = [DateTime]::UtcNow.ToString('yyyyMMddHHmmss')

# The copy that a reset of the last day has put aside, if there is one. Its name tells when.
function Get-FreshCopy([string]$Folder) {
    $oldest = [DateTime]::UtcNow.AddHours(-$FreshHours).ToString('yyyyMMddHHmmss')
    foreach ($copy in @(Get-ChildItem -Path ($Folder + '.patchmedic-*') -Force -ErrorAction SilentlyContinue)) {
        if ($copy.Name -match '\.patchmedic-(\d{14})$' -and $Matches[1] -ge $oldest) { return $copy.FullName }
    }
    ''
}

# Those that were disabled by someone stay so: that is another matter, and not this remedy's.
function Start-UpdateService {
    foreach ($name in $Services) {
        $service = Get-CimInstance -ClassName Win32_Service -Filter "Name = '$name'"
        if ($service -and $service.StartMode -ne 'Disabled') { Start-Service -Name $name }
    }
}

$todo = @($Folders | Where-Object { (Test-Path -LiteralPath $_) -and -not (Get-FreshCopy $_) })
if ($todo.Count -eq 0) {
    # A reset that was cut off after its last rename left services stopped.
    Start-UpdateService
    Write-Report 'nothing-to-do' @{ kept = (($Folders | ForEach-Object { Get-FreshCopy $_ }) -join ' ') }
}
try { $reason = Get-ServicingReason } catch { $reason = 'Windows Update does not say whether it is busy: ' + $_.Exception.Message }
if ($reason) { Write-Report 'refused' @{ why = $reason } }

$kept = @()
$failure = ''
try {
    foreach ($name in $Services) { Stop-Quietly $name }
    foreach ($folder in $todo) {
        $copy = $folder + '.patchmedic-' + $Stamp
        # CryptSvc comes back by itself when anything asks for a signature, and holds catroot2.
        foreach ($attempt in 1..5) {
            try { Rename-Item -LiteralPath $folder -NewName (Split-Path -Leaf $copy); break }
            catch {
                if ($attempt -eq 5) { throw }
                Start-Sleep -Seconds 3
                foreach ($name in $Services) { Stop-Quietly $name }
            }
        }
        $kept += $copy
    }
}
catch { $failure = $_.Exception.Message }
try { Start-UpdateService } catch { $failure = ($failure + ' ' + $_.Exception.Message).Trim() }
if ($failure) { Write-Report 'failed' @{ why = $failure; kept = ($kept -join ' ') } }
Write-Report 'done' @{ kept = ($kept -join ' ') }
