# What Windows Update last complained about. Codes only: its messages are in the system's language.

# The output of the newest patch run, if that is newer than the moment (UTC).
function Get-RunText($Since) {
    $root = Join-Path $env:ProgramData 'Amazon\SSM\InstanceData\*\document\orchestration\*'
    $folders = @(Get-Item -Path (Join-Path $root 'PatchWindows'), (Join-Path $root '*\PatchWindows'), (Join-Path $root '*\*\PatchWindows') -ErrorAction SilentlyContinue)
    foreach ($folder in @($folders | Sort-Object -Property LastWriteTimeUtc -Descending | Select-Object -First 1)) {
        if ($folder.LastWriteTimeUtc -gt $Since) {
            return (Get-LogEnd (Join-Path $folder.FullName 'stdout') 200000) + (Get-LogEnd (Join-Path $folder.FullName 'stderr') 50000)
        }
    }
    ''
}

# The last code of the datastore or of Windows Update's own components since the moment, as the
# check wu-components sees it; empty when there is none.
function Get-ComponentCode($Since) {
    $text = Get-RunText $Since
    if ($text -notmatch '0x[89cC][0-9a-fA-F]{7}') {
        $filter = @{ LogName = 'System'; ProviderName = 'Microsoft-Windows-WindowsUpdateClient'; Level = 2, 3; StartTime = $Since.ToLocalTime() }
        $text = (@(Get-WinEvent -FilterHashtable $filter -MaxEvents 50 -ErrorAction SilentlyContinue) | ForEach-Object { $_.Message }) -join "`n"
    }
    $last = ''
    foreach ($match in [regex]::Matches($text, '0x([89cC][0-9a-fA-F]{7})')) {
        $code = $match.Groups[1].Value.ToUpperInvariant()
        if ($code -match '^(80240437|80248\w{3}|80246\w{3}|C8000\w{3})$') { $last = '0x' + $code }
    }
    $last
}
