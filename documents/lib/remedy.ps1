# How every remedy ends, and what more than one of them asks. $Remedy is set by the remedy itself.

# done, nothing-to-do, refused (a precondition does not hold) or failed.
function Write-Report([string]$State, $Facts) {
    [Console]::Out.WriteLine('<<<PATCHMEDIC-REMEDY')
    [Console]::Out.WriteLine('{"schema":1,"remedy":"' + $Remedy + '","state":"' + $State + '","facts":{' + (ConvertTo-FactText $Facts) + '}}')
    [Console]::Out.WriteLine('PATCHMEDIC-REMEDY>>>')
    [Console]::Out.Flush()
    if ($State -eq 'done' -or $State -eq 'nothing-to-do') { exit 0 }
    exit 1
}

function Test-PatchRun {
    foreach ($process in @(Get-CimInstance -ClassName Win32_Process -Filter "Name = 'powershell.exe'")) {
        if ([string]$process.CommandLine -match 'orchestration\\.*PatchWindows\\_script\.ps1') { return $true }
    }
    $false
}

# Why nothing may touch Windows Update now; empty when nothing speaks against it.
function Get-ServicingReason {
    if (Test-PatchRun) { return 'a patch run is alive' }
    $installer = New-Object -ComObject 'Microsoft.Update.Installer'
    if ($installer.IsBusy) { return 'an installation of updates is running' }
    if ($installer.RebootRequiredBeforeInstallation) { return 'a restart is pending' }
    if (Test-Path -Path 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending') { return 'a restart is pending' }
    $mutex = $null
    try {
        $mutex = [Threading.Mutex]::OpenExisting('Global\_MSIExecute')
        $free = $mutex.WaitOne(0)
        if (-not $free) { return 'an installer (MSI) is running' }
        $mutex.ReleaseMutex()
    }
    catch [Threading.WaitHandleCannotBeOpenedException] { $null = $_ }
    finally { if ($mutex) { $mutex.Close() } }
    ''
}

function Stop-Quietly([string]$Name) {
    $service = Get-Service -Name $Name -ErrorAction SilentlyContinue
    if (-not $service -or [string]$service.Status -eq 'Stopped') { return }
    Stop-Service -Name $Name -Force
    $service.WaitForStatus('Stopped', [TimeSpan]::FromSeconds(90))
}
