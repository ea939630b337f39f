# Text and JSON for every Windows script: what a node says becomes harmless ASCII here.
# ConvertTo-Json is not used: its escapes and its treatment of arrays differ between versions.

# Secrets that commands and logs are known to print become ****.
function Hide-Secret([string]$Text) {
    $Text = $Text -replace '(AKIA|ASIA)[A-Z0-9]{12,}', '****'
    $Text = $Text -replace '://[^/@\s]+@', '://****@'
    $Text = $Text -replace '(^|[\s=;,])[^\s=;,:/@]+:[^\s/@]+@', '$1****@'
    $Text = $Text -replace '(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._-]{8,}', '$1 ****'
    $Text -replace '(?i)(secret[a-z_-]*|token|passw[a-z]*|signature|X-Amz-Credential|AccessKeyId|aws_access_key_id)("?\s*[=:]\s*"?)[^\s"&,;]+', '$1$2****'
}

function ConvertTo-JsonText([string]$Text, [int]$Max) {
    $Text = Hide-Secret $Text
    if ($Text.Length -gt $Max) { $Text = $Text.Substring(0, $Max) }
    $builder = New-Object System.Text.StringBuilder
    foreach ($char in $Text.ToCharArray()) {
        $code = [int]$char
        if ($code -eq 34 -or $code -eq 92) { $null = $builder.Append('\').Append($char) }
        elseif ($code -ge 32 -and $code -le 126) { $null = $builder.Append($char) }
        else { $null = $builder.Append(('\u{0:x4}' -f $code)) }
    }
    $builder.ToString()
}

function ConvertTo-FactText($Facts) {
    $parts = @()
    foreach ($name in ($Facts.Keys | Sort-Object)) {
        $max = 300
        if ($name -eq 'tail') { $max = 6000 }
        $parts += '"' + $name + '":"' + (ConvertTo-JsonText ([string]$Facts[$name]) $max) + '"'
    }
    $parts -join ','
}
