# What a remedy must still know when it is started again: under a key that administrators alone may
# write.
$Notes = 'HKLM:\SOFTWARE\PatchMedic'

function Set-Note([string]$Name, [string]$Value) {
    # With -Force, an existing key would be emptied.
    if (-not (Test-Path -LiteralPath $Notes)) { $null = New-Item -Path $Notes }
    Set-ItemProperty -LiteralPath $Notes -Name $Name -Value $Value
}
