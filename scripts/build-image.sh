#!/usr/bin/env bash
# Makes the image that `sam build --use-container` is tried in: patchmedic/sam-build-python3.13:x86_64.
#
# SAM CLI builds in an image named public.ecr.aws/sam/build-python3.13.  Whoever can pull that image
# needs none of this: plain `sam build --use-container` does it.  Where it cannot be pulled, this
# script makes one that does the same work, in the same way as AWS makes its own: on top of the image
# that functions run in (scripts/lambda-image.sh), with pip, make and Lambda Builders, whose version
# is the one that the SAM CLI of this project has.
#
#   scripts/build-image.sh                    build it, unless it is there already
#   scripts/build-image.sh --pull-or-build    the same, but take AWS's if it can be pulled
#   scripts/build-image.sh --force            build it again
#   scripts/build-image.sh --remove           remove it
#
# Then: sam build --use-container --skip-pull-image --build-image patchmedic/sam-build-python3.13:x86_64
#
# The image trusts the certificate authorities that this machine trusts, since pip in the container
# has to reach the package index by the same road.  It is for this machine: do not publish it.

set -euo pipefail

readonly IMAGE=patchmedic/sam-build-python3.13:x86_64
readonly BASE=public.ecr.aws/lambda/python:3.13-x86_64
readonly AWS_IMAGE=public.ecr.aws/sam/build-python3.13:latest-x86_64
readonly LABEL=patchmedic.build-image
readonly BASE_LABEL=patchmedic.lambda-image
readonly AUTHORITIES=/etc/ssl/certs/ca-certificates.crt
readonly PULL_SECONDS_MAX=300
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly ROOT

main() {
  local action=${1:-build} wanted present
  [[ $action =~ ^(build|--pull-or-build|--force|--remove)$ ]] || fail "unknown option '$action'" "see the head of $0"
  # The layer is built for x86_64, so SAM CLI wants a build image of that architecture.
  [[ $(uname -m) =~ ^(x86_64|amd64)$ ]] || fail "the layer is built for x86_64, this is $(uname -m)" "use an x86_64 machine"
  command -v docker >/dev/null || fail "docker is not installed" "install Docker Engine"
  docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
    fail "no Docker engine answers" "start it, or set DOCKER_HOST"

  if [[ $action == --remove ]]; then
    remove
    return
  fi
  present=$(label_of "$IMAGE" "$LABEL")
  if [[ $present == foreign && $action != --force ]]; then
    echo "$IMAGE is AWS's: nothing to build."
    return
  fi
  wanted=$(version)
  if [[ $action != --force && $present == "$wanted" ]]; then
    echo "$IMAGE is up to date."
  elif [[ $action == --pull-or-build && -z $present ]] && pull; then
    echo "Pulled $AWS_IMAGE as $IMAGE."
  else
    build "$wanted"
  fi
}

# The version of the image: what it is made from.
version() {
  {
    cat "${BASH_SOURCE[0]}" "$ROOT/requirements/sam.txt"
    [[ ! -r $AUTHORITIES ]] || cat "$AUTHORITIES"
    label_of "$BASE" "$BASE_LABEL"
  } | sha256sum | cut -c1-16
}

# Prints nothing if there is no such image, its label if it has one, else "foreign".
label_of() {
  local label
  label=$(docker image inspect --format "{{with .Config.Labels}}{{index . \"$2\"}}{{end}}" \
    "$1" 2>/dev/null) || return 0
  echo "${label:-foreign}"
}

pull() {
  step "AWS's own image, if it can be pulled"
  timeout "$PULL_SECONDS_MAX" docker pull --quiet "$AWS_IMAGE" >/dev/null 2>&1 &&
    docker image tag "$AWS_IMAGE" "$IMAGE"
}

build() {
  case $(label_of "$BASE" "$BASE_LABEL") in
    '') fail "there is no image $BASE to build on" "run: sudo scripts/lambda-image.sh" ;;
    foreign) fail "$BASE is AWS's, which has no apt" "take AWS's build image too: $0 --pull-or-build" ;;
  esac
  WORK=$(mktemp -d)
  trap 'clean_up' EXIT
  trap 'exit 130' INT TERM

  step "pip, make and Lambda Builders on $BASE"
  CONTAINER=$(docker create --entrypoint /bin/sh "$BASE" -euc "$(inside)")
  lambda_builders >"$WORK/requirements.txt"
  docker cp "$WORK/requirements.txt" "$CONTAINER:/tmp/requirements.txt" >/dev/null
  [[ ! -r $AUTHORITIES ]] || docker cp --follow-link "$AUTHORITIES" "$CONTAINER:$AUTHORITIES" >/dev/null
  pip_settings >"$WORK/pip.conf"
  docker cp "$WORK/pip.conf" "$CONTAINER:/tmp/pip.conf" >/dev/null
  quietly docker start --attach "$CONTAINER"

  step "the image $IMAGE"
  remove
  quietly docker commit --change 'ENTRYPOINT ["/bin/bash"]' --change 'CMD []' \
    --change "LABEL $LABEL=$1" "$CONTAINER" "$IMAGE"
  echo "Built $IMAGE ($(docker image inspect --format '{{.Size}}' "$IMAGE" | numfmt --to=iec)) in ${SECONDS} s."
}

# What runs in the container.  Lambda Builders gets an environment of its own, as in AWS's image,
# so that nothing of it is in the way of what is built.
inside() {
  cat <<'END'
export DEBIAN_FRONTEND=noninteractive PIP_CONFIG_FILE=/tmp/pip.conf
apt-get --quiet update
apt-get --quiet --yes install --no-install-recommends make python3-pip python3-venv
python3 -m venv /usr/local/opt/lambda-builders
/usr/local/opt/lambda-builders/bin/python -m pip install --no-input --disable-pip-version-check \
  --no-cache-dir --only-binary=:all: --require-hashes --requirement /tmp/requirements.txt
ln -s /usr/local/opt/lambda-builders/bin/lambda-builders /usr/local/bin/lambda-builders
rm -rf /tmp/requirements.txt /tmp/pip.conf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /usr/share/doc/*
END
}

# Lambda Builders and what it needs, with their hashes, from the lock of the SAM CLI.  Should it come
# to need more one day, pip refuses what has no hash here.
lambda_builders() {
  awk '/^[a-z]/ { wanted = /^(aws-lambda-builders|packaging|setuptools|wheel)==/ } wanted' "$ROOT/requirements/sam.txt"
}

# The index that pip on this machine uses, as a pip.conf.  It goes in as a file, not in the
# environment: that would stay in the image, with the password that an index may have in its address.
pip_settings() {
  local option variable value
  echo "[global]"
  for option in index-url extra-index-url trusted-host proxy; do
    variable=PIP_$(tr 'a-z-' 'A-Z_' <<<"$option")
    value=${!variable:-$(python3 -m pip config get "global.$option" 2>/dev/null || true)}
    [[ -z $value ]] || printf '%s = %s\n' "$option" "${value//$'\n'/$'\n  '}"
  done
}

remove() {
  local image
  for image in $(docker image ls --quiet --filter "label=$LABEL" | awk '!seen[$0]++'); do
    docker image rm --force "$image" >/dev/null
  done
}

clean_up() {
  [[ -z ${CONTAINER:-} ]] || docker rm --force "$CONTAINER" >/dev/null
  rm -rf "$WORK"
}

# Runs a command; its output is shown only if it fails.
quietly() {
  local log=$WORK/log
  "$@" >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    fail "'$1 $2' failed" "its last lines are above"
  }
}

step() { echo "... $1"; }

fail() {
  echo "build-image: $1; $2." >&2
  exit 1
}

main "$@"
