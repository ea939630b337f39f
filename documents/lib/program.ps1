# Running a program of Windows for as long as it may take, and no longer.

# ended, code and the end of what it printed. When its time is up, the program is ended; where it
# cannot even be started, it has not ended either. Read piece
# by piece, for a program whose pipe is full waits.
function Invoke-Tool([string]$Path, [string]$Arguments, [int]$Seconds) {
    $start = New-Object Diagnostics.ProcessStartInfo
    $start.FileName = $Path
    $start.Arguments = $Arguments
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardOutput = $true
    # Not by the clock, which may be what the program sets.
    $watch = [Diagnostics.Stopwatch]::StartNew()
    try { $process = [Diagnostics.Process]::Start($start) }
    catch { return @{ ended = $false; code = -1; text = $_.Exception.Message } }
    $buffer = New-Object byte[] 65536
    $text = ''
    $read = 1
    $waited = $true
    while ($waited -and $read -gt 0) {
        $handle = $process.StandardOutput.BaseStream.BeginRead($buffer, 0, 65536, $null, $null)
        $left = [Math]::Max(0, $Seconds * 1000 - $watch.ElapsedMilliseconds)
        $waited = $handle.AsyncWaitHandle.WaitOne([int]$left)
        if (-not $waited) { continue }
        $read = $process.StandardOutput.BaseStream.EndRead($handle)
        if ($read -gt 0) { $text += [Text.Encoding]::UTF8.GetString($buffer, 0, $read) }
        # A progress bar may print for an hour.
        if ($text.Length -gt 20000) { $text = $text.Substring($text.Length - 10000) }
    }
    if ($waited -and $process.WaitForExit(10000)) { return @{ ended = $true; code = $process.ExitCode; text = $text } }
    try { $process.Kill() } catch { $null = $_ }
    @{ ended = $false; code = -1; text = $text }
}
