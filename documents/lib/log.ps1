# Reading the end of a log, also while another program writes to it; empty when it is not there.
function Get-LogEnd([string]$Path, [int]$Bytes) {
    if (-not (Test-Path -LiteralPath $Path)) { return '' }
    $stream = New-Object IO.FileStream($Path, 'Open', 'Read', 'ReadWrite')
    try {
        $start = [Math]::Max(0, $stream.Length - $Bytes)
        $null = $stream.Seek($start, 'Begin')
        $buffer = New-Object byte[] ([int]($stream.Length - $start))
        $read = $stream.Read($buffer, 0, $buffer.Length)
        [Text.Encoding]::UTF8.GetString($buffer, 0, $read)
    }
    finally { $stream.Close() }
}
