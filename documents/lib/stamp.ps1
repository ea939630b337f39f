# A moment (UTC) as digits that mean the same under every calendar.
function ConvertTo-Stamp($When) {
    $When.ToString('yyyyMMddHHmmss', [Globalization.CultureInfo]::InvariantCulture)
}

function ConvertFrom-Stamp([string]$Stamp) {
    [DateTime]::ParseExact($Stamp, 'yyyyMMddHHmmss', [Globalization.CultureInfo]::InvariantCulture)
}
