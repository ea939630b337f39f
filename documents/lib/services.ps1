# Stopping services, and having them back.

# The names of those that stop when these do, their dependents included, and run now.
function Get-RunningService($Names) {
    $running = @()
    foreach ($name in $Names) {
        foreach ($service in @(Get-Service -Name $name -ErrorAction SilentlyContinue)) {
            if ([string]$service.Status -ne 'Running') { continue }
            $running += $name
            foreach ($other in @($service.DependentServices)) {
                if ([string]$other.Status -eq 'Running' -and $running -notcontains $other.Name) { $running += $other.Name }
            }
        }
    }
    $running
}

function Stop-Quietly([string]$Name) {
    $service = Get-Service -Name $Name -ErrorAction SilentlyContinue
    if (-not $service -or [string]$service.Status -eq 'Stopped') { return }
    Stop-Service -Name $Name -Force
    $service.WaitForStatus('Stopped', [TimeSpan]::FromSeconds(90))
}

# Why one did not start; empty when all did. One that is disabled by now stays so.
function Start-Again($Names) {
    $why = ''
    foreach ($name in $Names) {
        try {
            foreach ($service in @(Get-CimInstance -ClassName Win32_Service -Filter "Name = '$name'")) {
                if ($service.StartMode -ne 'Disabled' -and $service.State -ne 'Running') { Start-Service -Name $name }
            }
        }
        catch { $why = ($why + ' ' + $_.Exception.Message).Trim() }
    }
    $why
}
