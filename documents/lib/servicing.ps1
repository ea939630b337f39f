# Whether Windows is installing something just now, and what waits for a restart.

# Windows Installer holds this mutex while it works.
function Test-MsiAtWork {
    $mutex = $null
    try {
        $mutex = [Threading.Mutex]::OpenExisting('Global\_MSIExecute')
        if (-not $mutex.WaitOne(0)) { return $true }
        $mutex.ReleaseMutex()
    }
    catch [Threading.WaitHandleCannotBeOpenedException] { $null = $_ }
    finally { if ($mutex) { $mutex.Close() } }
    $false
}

# The worker of servicing stays for a while after its work: it counts when it uses the processor,
# a tenth of a second in three (the times are in units of 100 ns).
function Get-ServicingProcess {
    foreach ($process in @(Get-CimInstance -ClassName Win32_Process -Filter "Name = 'Dism.exe' OR Name = 'wusa.exe'")) {
        return [string]$process.Name
    }
    $spent = @{}
    foreach ($process in @(Get-CimInstance -ClassName Win32_Process -Filter "Name = 'TiWorker.exe'")) {
        $spent[[string]$process.ProcessId] = [long]$process.KernelModeTime + [long]$process.UserModeTime
    }
    if ($spent.Count -eq 0) { return '' }
    Start-Sleep -Seconds 3
    foreach ($process in @(Get-CimInstance -ClassName Win32_Process -Filter "Name = 'TiWorker.exe'")) {
        $id = [string]$process.ProcessId
        if (-not $spent.ContainsKey($id)) { continue }
        if ([long]$process.KernelModeTime + [long]$process.UserModeTime - $spent[$id] -ge 1000000) { return [string]$process.Name }
    }
    ''
}

# Why nothing may be changed now; empty when nothing speaks against it. What cannot be asked speaks
# against it.
function Get-BusyReason {
    try {
        if (Test-PatchRun) { return 'a patch run is alive' }
        $installer = New-Object -ComObject 'Microsoft.Update.Installer'
        if ($installer.IsBusy) { return 'an installation of updates is running' }
        if (Test-MsiAtWork) { return 'an installer (MSI) is running' }
        $process = Get-ServicingProcess
        if ($process) { return "servicing is at work ($process)" }
    }
    catch { return 'Windows does not say whether it is busy: ' + $_.Exception.Message }
    ''
}

function Get-PendingRestart {
    $reasons = @()
    if (Test-Path -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending') { $reasons += 'component servicing' }
    if (Test-Path -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired') { $reasons += 'Windows Update' }
    $reasons -join ', '
}
