#!/usr/bin/env bash
# Deploys, sends two transactions, receives the alert, finds nothing left to do, and takes everything down again,
# against whatever AWS_ENDPOINT_URL names (AWS itself when it names nothing).
#
# usage: tests/smoke.sh [FLAG...]     flags for `up` and `diff`, such as --arch x86_64 or --fast-build
#
# FRAUDCTL               the command [default: target/debug/fraudctl]
# FRAUDCTL_STATE         where state files are kept [default: a new folder, removed when all went well]
# AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION
#                        the usual; the alert is received by tests/receive.py, which reads no AWS configuration files
# SMOKE_SECONDS          how long to wait for the alert [default: 60]
#
# What was deployed is taken down when a step fails, too. When that fails as well, the state stays where it is said.
set -euo pipefail
cd "$(dirname "$0")/.."

fraudctl=${FRAUDCTL:-target/debug/fraudctl}
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}
seconds=${SMOKE_SECONDS:-60}
own_state=
if [ -z "${FRAUDCTL_STATE:-}" ]; then
    own_state=$(mktemp -d)
    export FRAUDCTL_STATE=$own_state
fi
: "${AWS_ACCESS_KEY_ID:?is not set}" "${AWS_SECRET_ACCESS_KEY:?is not set}"

begun=
leave() {
    local status=$?
    if [ "$status" -ne 0 ] && [ -n "$begun" ]; then
        echo "smoke: failed; taking down what stands" >&2
        if ! "$fraudctl" down --yes >&2; then
            echo "smoke: not everything could be taken down; the state is in $FRAUDCTL_STATE" >&2
            exit "$status"
        fi
    fi
    if [ -n "$own_state" ]; then
        rm -rf "$own_state"
    fi
    exit "$status"
}
trap leave EXIT

step() {
    echo "smoke: $*"
}

# expect TEXT WANTED: fails unless the text has what is wanted in it.
expect() {
    if [[ $1 != *"$2"* ]]; then
        printf 'smoke: expected %s in:\n%s\n' "$2" "$1" >&2
        return 1
    fi
}

# send ID AMOUNT: posts a transaction and prints the answer. AWS may refuse a new API key with 403 for up to a minute.
send() {
    local deadline=$((SECONDS + 60)) answer
    until answer=$("$fraudctl" send --json --id "$1" --amount "$2"); do
        if [[ $answer != *'"status": 403'* ]] || [ "$SECONDS" -ge "$deadline" ]; then
            break
        fi
        sleep 3
    done
    printf '%s\n' "$answer"
}

# settled FLAG...: fails unless there is nothing left to do. AWS may show old values for up to a minute.
settled() {
    local attempt code=0
    for attempt in 1 2 3 4; do
        code=0
        "$fraudctl" diff --exit-code "$@" || code=$?
        if [ "$code" -ne 4 ] || [ "$attempt" -eq 4 ]; then
            break
        fi
        sleep 20
    done
    return "$code"
}

# await_alert QUEUE_URL TRANSACTION_ID: waits until an alert about the transaction arrives.
await_alert() {
    local deadline=$((SECONDS + seconds)) messages
    while [ "$SECONDS" -lt "$deadline" ]; do
        messages=$(python3 tests/receive.py "$1" "$region")
        if [[ $messages == *"$2"* ]]; then
            expect "$messages" 'Fraud Alert - Suspicious Transaction Detected'
            return
        fi
    done
    echo "smoke: no alert about $2 within $seconds s" >&2
    return 1
}

step "up"
begun=yes
"$fraudctl" up --yes "$@"

id=smoke-$$-$RANDOM
step "an ordinary transaction"
answer=$(send "$id-small" 150.50)
expect "$answer" '"status": 200'
expect "$answer" '"fraud_score": 0.1'

step "a suspicious transaction"
answer=$(send "$id-large" 15000)
expect "$answer" '"status": 200'
expect "$answer" '"fraud_score": 0.9'

step "its alert"
await_alert "$("$fraudctl" output alert_queue_url)" "$id-large"

step "nothing left to do"
settled "$@"

step "down"
"$fraudctl" down --yes
begun=

step "passed"
