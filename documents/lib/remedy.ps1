# How every remedy ends, and what all of them ask first. $Remedy is set by the remedy itself.

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
