#!/usr/bin/env bash
# Builds a stand-in for AWS's Lambda base image, for machines that reach no container registry.
#
# `sam local invoke` runs a function in an image named public.ecr.aws/lambda/python:3.13-<arch>.
# Whoever can pull that image needs none of this.  Where it cannot be pulled, this script makes one
# that does the same work: Debian trixie, whose Python is 3.13, with AWS's runtime interface client
# and boto3 in /var/runtime.  SAM CLI brings the runtime emulator itself and adds the layers.
#
#   sudo scripts/lambda-image.sh                    build it, unless it is there already
#   sudo scripts/lambda-image.sh --pull-or-build    the same, but take AWS's if it can be pulled
#   sudo scripts/lambda-image.sh --force            build it again
#   scripts/lambda-image.sh --remove                remove it and what SAM CLI built on it
#
# Then: sam local invoke --skip-pull-image ...
#
# Debian comes from the mirror that apt on this machine uses (DEBIAN_MIRROR overrides it), the Python
# packages from the index that pip on this machine uses, pinned by hash in lambda-image/.
# An image of that name which this script did not build is AWS's own, and is left alone.

set -euo pipefail

readonly SUITE=trixie
readonly PYTHON_VERSION=3.13
readonly LABEL=patchmedic.lambda-image
readonly PULL_SECONDS_MAX=120
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE

main() {
  local action=${1:-build}
  [[ $action =~ ^(build|--pull-or-build|--force|--remove)$ ]] || fail "unknown option '$action'" "see the head of $0"
  local machine
  machine=$(uname -m)
  case $machine in
    x86_64 | amd64) ARCH=x86_64 ;;
    aarch64 | arm64) ARCH=arm64 ;;
    *) fail "no Lambda runs on $machine" "use an x86_64 or arm64 machine" ;;
  esac
  readonly ARCH
  readonly IMAGE="public.ecr.aws/lambda/python:${PYTHON_VERSION}-${ARCH}"

  command -v docker >/dev/null || fail "docker is not installed" "install Docker Engine"
  docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
    fail "no Docker engine answers" "start it, or set DOCKER_HOST"

  local wanted present
  wanted=$(version)
  present=$(label_of "$IMAGE")
  if [[ $present == foreign ]]; then
    echo "$IMAGE is here and is not ours: nothing to build."
    return
  fi
  if [[ $action == --remove ]]; then
    remove
  elif [[ $action != --force && $present == "$wanted" ]]; then
    echo "$IMAGE is up to date."
  elif [[ $action == --pull-or-build && -z $present ]] && pull; then
    echo "Pulled $IMAGE."
  else
    build "$wanted"
  fi
}

# The version of the image: what it is made from.
version() {
  cat "${BASH_SOURCE[0]}" "$HERE"/lambda-image/* | sha256sum | cut -c1-16
}

# Prints nothing if there is no such image, its version if we built it, else "foreign".
label_of() {
  local label
  label=$(docker image inspect --format "{{with .Config.Labels}}{{index . \"$LABEL\"}}{{end}}" \
    "$1" 2>/dev/null) || return 0
  echo "${label:-foreign}"
}

pull() {
  step "AWS's own image, if it can be pulled"
  timeout "$PULL_SECONDS_MAX" docker pull --quiet "$IMAGE" >/dev/null 2>&1
}

build() {
  [[ $(id -u) == 0 ]] || fail "debootstrap needs root" "run: sudo $0"
  command -v debootstrap >/dev/null || fail "debootstrap is not installed" "run: apt-get install debootstrap"
  command -v python3 >/dev/null || fail "python3 is not installed" "run: apt-get install python3-venv"

  WORK=$(mktemp -d)
  trap 'clean_up' EXIT
  trap 'exit 130' INT TERM
  local root=$WORK/root mirror
  mirror=$(mirror)

  step "Debian $SUITE from $mirror"
  quietly debootstrap --variant=minbase --include=python3,ca-certificates,tzdata \
    "$SUITE" "$root" "$mirror"
  [[ $(chroot "$root" /usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') == \
    "$PYTHON_VERSION" ]] || fail "Debian $SUITE no longer has Python $PYTHON_VERSION" "see SUITE in $0"

  step "the runtime interface client and boto3"
  mkdir -p "$root/var/runtime" "$root/var/task" "$root/opt"
  quietly python3 -m venv "$WORK/venv"
  quietly "$WORK/venv/bin/python" -m pip install --no-input --disable-pip-version-check --no-compile \
    --target "$root/var/runtime" --python-version "$PYTHON_VERSION" --implementation cp \
    --platform "manylinux_2_28_${ARCH/arm64/aarch64}" --platform "manylinux2014_${ARCH/arm64/aarch64}" \
    --only-binary=:all: --require-hashes --requirement "$HERE/lambda-image/requirements.lock"
  quietly chroot "$root" /usr/bin/python3 -m compileall -q /var/runtime
  install -m 0755 "$HERE/lambda-image/bootstrap" "$root/var/runtime/bootstrap"
  install -m 0755 "$HERE/lambda-image/lambda-entrypoint.sh" "$root/lambda-entrypoint.sh"

  step "the image $IMAGE"
  slim "$root"
  remove
  tar --create --numeric-owner --directory "$root" . | quietly docker import \
    --change 'ENTRYPOINT ["/lambda-entrypoint.sh"]' \
    --change 'WORKDIR /var/task' \
    --change 'ENV LANG=C.UTF-8' \
    --change 'ENV TZ=:/etc/localtime' \
    --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin' \
    --change 'ENV LD_LIBRARY_PATH=/var/runtime:/var/task:/var/task/lib:/opt/lib' \
    --change 'ENV LAMBDA_TASK_ROOT=/var/task' \
    --change 'ENV LAMBDA_RUNTIME_DIR=/var/runtime' \
    --change "LABEL $LABEL=$1" \
    - "$IMAGE"
  echo "Built $IMAGE ($(docker image inspect --format '{{.Size}}' "$IMAGE" | numfmt --to=iec)) in ${SECONDS} s."
}

# The mirror that this machine's apt uses for Debian: its first source with packages of Debian.
mirror() {
  if [[ -n ${DEBIAN_MIRROR:-} ]]; then
    echo "$DEBIAN_MIRROR"
    return
  fi
  command -v apt-get >/dev/null || fail "no apt here to tell a Debian mirror" "set DEBIAN_MIRROR"
  local found
  # shellcheck disable=SC2016  # $(SITE) is apt's, not the shell's
  found=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' |
    awk '/\/debian\/?$/ && !seen { print; seen = 1 }')
  [[ -n $found ]] || fail "apt on this machine has no source of Debian" "set DEBIAN_MIRROR"
  echo "$found"
}

# Drops what no function needs; half the size, and every layer on top is made faster.
slim() {
  rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/log/* "$1"/usr/share/doc/* \
    "$1"/usr/share/man/* "$1"/usr/share/locale/* "$1"/usr/share/info/* "$1"/debootstrap
}

# Removes our image and those that SAM CLI built on it: they inherit the label, and are listed
# newest first, which is the order in which they can go.
remove() {
  local image
  for image in $(docker image ls --quiet --filter "label=$LABEL" | awk '!seen[$0]++'); do
    docker image rm --force "$image" >/dev/null
  done
}

clean_up() {
  # An interrupted debootstrap leaves /proc or /sys mounted in the tree.
  awk -v top="$WORK/" 'index($2, top) == 1 { print $2 }' /proc/mounts | sort -r |
    while read -r mounted; do umount "$mounted"; done
  rm -rf --one-file-system "$WORK"
}

# Runs a command; its output is shown only if it fails.
quietly() {
  local log=$WORK/log
  "$@" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    fail "'$1' failed" "its last lines are above"
  }
}

step() { echo "... $1"; }

fail() {
  echo "lambda-image: $1; $2." >&2
  exit 1
}

main "$@"
