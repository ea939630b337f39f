# Restarts the node for what waits for a restart, or for a damaged state file of Patch Manager. Exit
# code 3010 makes the agent restart the node and start this script again, which then knows by its
# note that the restart took place. A note of the last restart keeps it from doing so for ever.
$Remedy = 'reboot-node'
$UptimeSecondsMin = 600
# A restart that was asked for longer ago was another one's.
$AskedSecondsMax = 3600
$AskedMax = 2
$AgainSecondsMin = 86400

# A state file that is empty or no JSON; one that another program holds counts as sound.
function Get-DamagedState {
    $folder = Join-Path $env:ProgramData 'Amazon\PatchBaselineOperations\State'
    foreach ($name in 'PatchStatesConfiguration.json', 'PatchInventoryFromLastOperation.json') {
        $path = Join-Path $folder $name
        if (-not (Test-Path -LiteralPath $path)) { continue }
        try { $text = [IO.File]::ReadAllText($path) }
        catch [IO.IOException] { continue }
        catch { return "$name is unreadable" }
        if ($text -notmatch '[^\s\0]') { return "$name is empty" }
        # Larger ones would take ConvertFrom-Json minutes.
        if ($text.Length -gt 1048576) {
            if ($text -notmatch '^\s*[\[{]' -or $text.TrimEnd() -notmatch '[\]}]$') { return "$name is not-json" }
            continue
        }
        try { $null = ConvertFrom-Json -InputObject $text } catch { return "$name is not-json" }
    }
    ''
}

function Get-RestartReason {
    (@((Get-PendingRestart), (Get-DamagedState)) | Where-Object { $_ }) -join ', '
}

# asked or restarted, when (UTC), how often; none when there is no note.
function Get-RebootNote {
    if ([string](Get-RegistryValue $Notes 'RebootNode') -match '^(asked|restarted) (\d{14}) (\d)$') {
        return @{ kind = $Matches[1]; when = (ConvertFrom-Stamp $Matches[2]); count = [int]$Matches[3] }
    }
    @{ kind = 'none'; when = [DateTime]::UtcNow; count = 0 }
}

function Set-RebootNote([string]$Kind, [int]$Count) {
    $stamp = ConvertTo-Stamp ([DateTime]::UtcNow)
    Set-Note 'RebootNode' "$Kind $stamp $Count"
}

$note = Get-RebootNote
$booted = (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime.ToUniversalTime()
$noteAge = ([DateTime]::UtcNow - $note.when).TotalSeconds
$since = ($booted -gt $note.when)
if ($note.kind -eq 'asked' -and $since -and $noteAge -le $AskedSecondsMax) {
    # After the restart: the same command again, started by the agent.
    Set-RebootNote 'restarted' 0
    Write-Report 'done' @{ restarted = 'yes'; still_there = (Get-RestartReason) }
}
$reasons = Get-RestartReason
if (-not $reasons) { Write-Report 'nothing-to-do' @{ reasons = '' } }
$why = ''
$asked = 0
if ($note.kind -eq 'asked' -and -not $since) { $asked = $note.count }
$uptime = [long]([DateTime]::UtcNow - $booted).TotalSeconds
if ($note.kind -eq 'restarted' -and $noteAge -lt $AgainSecondsMin) {
    $why = 'this remedy restarted the node ' + [long][Math]::Floor($noteAge / 60) + ' minutes ago, and that did not help'
}
elseif ($asked -ge $AskedMax) { $why = "the agent was asked $asked times to restart the node and did not" }
elseif ($uptime -lt $UptimeSecondsMin) { $why = "the node started only $uptime seconds ago" }
elseif (Test-Path -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootInProgress') { $why = 'servicing is finishing the last restart' }
else { $why = Get-BusyReason }
if ($why) { Write-Report 'refused' @{ why = $why; reasons = $reasons } }
# Without the note the restart could not be recognised, so nothing may ask for one before it stands.
try { Set-RebootNote 'asked' ($asked + 1) }
catch { Write-Report 'refused' @{ why = 'the note of this restart cannot be written: ' + $_.Exception.Message; reasons = $reasons } }
[Console]::Out.WriteLine("The agent restarts the node now: $reasons")
[Console]::Out.Flush()
exit 3010
