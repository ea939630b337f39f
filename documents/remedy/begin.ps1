# PatchMedic treats this node. The script looks again whether what it is for still holds, changes
# only what its report names, and may be run twice.
$ErrorActionPreference = 'Stop'
