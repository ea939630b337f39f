#!/bin/sh
# PatchMedic looks at this node: read-only, at most a minute, one JSON document on stdout.
# Systems Manager puts the two parameters below in; their allowed patterns keep quotes out, and
# validate_parameters looks again, because a script should not live by a promise.
CHECKS='{{ Checks }}'
REGION='{{ Region }}'
