# PatchMedic looks at this node: read-only, at most a minute, one JSON document on stdout.
# Systems Manager puts the two parameters below in; their allowed patterns keep quotes out, and
# check/run.ps1 looks again. PowerShell 3.0 and later, no modules to install.
$Checks = '{{ Checks }}'
$Region = '{{ Region }}'
