#!/usr/bin/env bash
# Makes the Python environments of this checkout, each from its own lock:
#
#   .envs/dev    the project, editable, with what tests and checks need
#   .envs/sam    the SAM CLI
#   .envs/local  the local cloud
#   .envs/lock   what `make lock` needs (made only when asked for)
#
#   scripts/envs.sh [NAME…]     NAME: dev, sam, local, lock; default: dev sam local
#
# An environment is made anew when its lock or its Python changed, else nothing happens.
# Needs Python 3.11 or later with venv; PYTHON=… chooses one.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

main() {
  local python name pids=() failed=0
  python=$(find_python)
  [[ $# -gt 0 ]] || set -- dev sam local
  mkdir -p .envs
  # Side by side: most of the time goes into waiting for the package index.
  for name in "$@"; do
    make_env "$python" "$name" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do
    wait "$pid" || failed=1
  done
  return "$failed"
}

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      # Inside an environment (one of ours, even): the Python that it was made from.
      "$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'
      return
    fi
  done
  echo "envs: no Python 3.11 or later with the venv module found." >&2
  echo "envs: install one (Debian: apt install python3-venv), or set PYTHON to it." >&2
  return 1
}

make_env() {
  local python=$1 name=$2 env=.envs/$2 lock=requirements/$2.txt wanted log=.envs/$2.log
  wanted=$(stamp "$python" "$name" "$lock")
  if [[ $(cat "$env/.stamp" 2>/dev/null) == "$wanted" ]]; then
    return
  fi
  echo "envs: making $env from $lock"
  rm -rf "$env"
  if ! fill_env "$python" "$name" "$env" "$lock" >"$log" 2>&1; then
    echo "envs: $env failed; the end of $log:" >&2
    tail -n 15 "$log" >&2
    return 1
  fi
  # Last of all, so that an interrupted run is repeated.
  echo "$wanted" >"$env/.stamp"
  rm -f "$log"
  echo "envs: $env is ready"
}

fill_env() {
  local python=$1 name=$2 env=$3 lock=$4
  local pip=("$env/bin/python" -m pip --disable-pip-version-check --no-input install --quiet)
  "$python" -m venv "$env" || return 1
  # The lock names everything, so nothing is resolved here.
  "${pip[@]}" --no-deps --require-hashes --requirement "$lock" || return 1
  if [[ $name == dev ]]; then
    "${pip[@]}" --no-deps --no-build-isolation --editable . || return 1
  fi
}

# What an environment is made from: its lock, the way it is made, the Python and the place; and for
# dev, which holds the project, the project's own description.
stamp() {
  local python=$1 name=$2 lock=$3
  {
    cat "$lock" scripts/envs.sh
    [[ $name != dev ]] || cat pyproject.toml
    "$python" -VV
    pwd
  } | "$python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

main "$@"
