# Reading the registry: $null when the value, or its key, is not there.
function Get-RegistryValue([string]$Path, [string]$Name) {
    try { (Get-ItemProperty -Path $Path -Name $Name -ErrorAction Stop).$Name } catch { $null }
}
