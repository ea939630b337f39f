# Gives the services that patching needs their start type back where they are disabled, and starts
# the one that always runs. Touches no other service, and no setting of a policy.
$Remedy = 'start-update-services'
$Names = @('wuauserv', 'BITS', 'CryptSvc', 'TrustedInstaller', 'msiserver')
# As Windows installs them. A manual service is started by whoever needs it.
$StartTypes = @{ wuauserv = 'Manual'; BITS = 'Manual'; CryptSvc = 'Automatic'; TrustedInstaller = 'Manual'; msiserver = 'Manual' }

function Get-UpdateService([string]$Name) {
    foreach ($service in @(Get-CimInstance -ClassName Win32_Service -Filter "Name = '$Name'")) { return $service }
}

# An empty text when the service is as it must be.
function Get-ServiceFault([string]$Name) {
    $service = Get-UpdateService $Name
    if (-not $service) { return 'missing' }
    if ($service.StartMode -eq 'Disabled') { return 'Disabled' }
    if ($StartTypes[$Name] -eq 'Automatic' -and $service.State -ne 'Running') { return 'Stopped' }
    ''
}

$wrong = @($Names | Where-Object { Get-ServiceFault $_ })
if ($wrong.Count -eq 0) { Write-Report 'nothing-to-do' @{ services = ($Names -join ' ') } }
foreach ($name in $wrong) {
    if ((Get-ServiceFault $name) -eq 'missing') { Write-Report 'refused' @{ why = "the service $name is missing, no start type brings it back"; service = $name } }
}
if ((Get-RegistryValue 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate' 'DisableWindowsUpdateAccess') -eq 1) {
    Write-Report 'refused' @{ why = 'a policy forbids the use of Windows Update (DisableWindowsUpdateAccess)'; services = ($wrong -join ' ') }
}
if (Test-PatchRun) { Write-Report 'refused' @{ why = 'a patch run is alive'; services = ($wrong -join ' ') } }

$changed = @()
$started = @()
$undo = @()
$failures = @()
foreach ($name in $wrong) {
    try {
        if ((Get-ServiceFault $name) -eq 'Disabled') {
            Set-Service -Name $name -StartupType $StartTypes[$name]
            $changed += $name + '=Disabled>' + $StartTypes[$name]
            $undo += "Set-Service $name -StartupType Disabled"
        }
        if ($StartTypes[$name] -eq 'Automatic' -and (Get-ServiceFault $name) -eq 'Stopped') {
            Start-Service -Name $name
            $started += $name
        }
    }
    catch { $failures += $name + ': ' + $_.Exception.Message }
}
$facts = @{ changed = ($changed -join ' '); started = ($started -join ' '); undo = ($undo -join '; ') }
foreach ($name in $wrong) {
    if ($failures.Count -eq 0 -and (Get-ServiceFault $name)) { $failures += "$name is still " + (Get-ServiceFault $name) }
}
if ($failures.Count -gt 0) {
    $facts['why'] = $failures -join '; '
    Write-Report 'failed' $facts
}
Write-Report 'done' $facts
