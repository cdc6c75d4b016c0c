#!/bin/sh
# The steps of action.yml: run.sh keys|install|check|summary|annotations|comment.
# Inputs come as environment variables, results go to the file that GITHUB_OUTPUT names.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=${RUNNER_TEMP:?RUNNER_TEMP is not set}/kabigate
action=${GITHUB_ACTION_PATH:-.}
report_dir=${REPORT_DIR:-kabigate-report}
releases=${RELEASES:-https://github.com/kabigate/kabigate/releases/download}

# shellcheck source=.github/action/comment.sh
. "$here/comment.sh"

# Values are words, numbers and paths of the workflow's author; a line end would forge another output.
output() {
    printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr -d '\r\n')" >>"$GITHUB_OUTPUT"
}

# Keys of the caches: the program by its sources or its release, the units by baseline, compiler and commit.
keys() {
    sources=$(cd "$action" && find Cargo.toml Cargo.lock src -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-32)
    version=$(printf '%s' "${VERSION:-}" | tr -cd 'A-Za-z0-9._-')
    baseline=$(printf '%s\n' "${TARGET:-${BASELINE:-default}}" | sed 's,/*$,,; s,.*/,,' | tr '\n' '-' | tr -cd 'A-Za-z0-9._-')
    baseline=${baseline%-}
    compiler=$({ cc --version 2>/dev/null || echo none; } | sha256sum | cut -c1-16)
    output binary-key "kabigate-bin-${RUNNER_OS:-any}-${RUNNER_ARCH:-any}-${version:-$sources}"
    output cache-prefix "kabigate-units-1-$baseline-$compiler-"
    output cache-key "kabigate-units-1-$baseline-$compiler-${GITHUB_SHA:-none}"
}

# The program is the one that the workflow names, one of a release, or one built from the action's own sources; never
# one from the tree.
install() {
    binary=${BINARY:-}
    if [ -z "$binary" ]; then
        binary=$work/bin/kabigate
        if [ ! -x "$binary" ] && [ -n "${VERSION:-}" ]; then
            release
        elif [ ! -x "$binary" ]; then
            CARGO_TARGET_DIR=$work/target cargo build --release --locked --manifest-path "$action/Cargo.toml"
            mkdir -p "$work/bin"
            cp "$work/target/release/kabigate" "$binary"
        fi
    fi
    output binary "$binary"
}

# Takes the program out of a release's archive. A checksum of the workflow pins it; else the release's own list must agree,
# which finds damage and no forgery.
release() {
    archive=kabigate-$VERSION-$(uname -m)-linux.tar.gz
    mkdir -p "$work/bin" "$work/release"
    curl -fsSL --retry 3 -o "$work/release/$archive" "$releases/$VERSION/$archive"
    if [ -n "${CHECKSUM:-}" ]; then
        echo "$CHECKSUM  $archive" >"$work/release/SHA256SUMS"
    else
        curl -fsSL --retry 3 -o "$work/release/SHA256SUMS" "$releases/$VERSION/SHA256SUMS"
    fi
    (cd "$work/release" && grep -F "  $archive" SHA256SUMS | sha256sum -c - >&2)
    tar -xzf "$work/release/$archive" -C "$work/release"
    cp "$work/release/${archive%.tar.gz}/kabigate" "$work/bin/kabigate"
}

# Prints the range of the event. Nothing is guessed: what the event lacks, the program refuses.
event_range() {
    case ${EVENT_NAME:-} in
    pull_request) printf '%s..%s' "${PULL_BASE:-}" "${PULL_HEAD:-}" ;;
    merge_group) printf '%s..%s' "${QUEUE_BASE:-}" "${QUEUE_HEAD:-}" ;;
    push) printf '%s..%s' "${PUSH_BEFORE:-}" "${PUSH_HEAD:-}" ;;
    esac
}

check() {
    mkdir -p "$report_dir" "$work/cache"
    # A report that an earlier step left must not pass for this one's.
    for file in report.json junit.xml report.md report.html report.txt kabigate.sarif annotations.txt; do
        rm -f "$report_dir/$file"
    done
    rm -rf "$report_dir/kabigate-targets"
    tree=${TREE:-.}
    set -- --tree "$tree"
    while IFS= read -r baseline; do
        [ -z "$baseline" ] || set -- "$@" --baseline "$baseline"
    done <<LINES
${BASELINE:-}
LINES
    [ -z "${TARGET:-}" ] || set -- "$@" --target "$TARGET"
    set -- check "$@"
    if [ -n "${ONTO:-}${PATCHES:-}" ]; then
        set -- "$@" --onto "${ONTO:-}" --patches "${PATCHES:-}"
    else
        range=${RANGE:-$(event_range)}
        [ -z "$range" ] || set -- "$@" --range "$range"
    fi
    [ -z "${CONFIG:-}" ] || set -- "$@" --config "$CONFIG"
    [ -z "${POLICY_REF:-}" ] || set -- "$@" --policy-ref "$POLICY_REF"
    while IFS= read -r module; do
        [ -z "$module" ] || set -- "$@" --modules "$module"
    done <<LINES
${MODULES:-}
LINES
    set -- "$@" --mode "${MODE:-enforce}"
    [ "${PER_COMMIT:-false}" != true ] || set -- "$@" --per-commit
    [ "${JOBS:-0}" = 0 ] || set -- "$@" --jobs "$JOBS"
    [ -z "${SANDBOX:-}" ] || set -- "$@" --sandbox "$SANDBOX"
    case ${CACHE:-restore} in
    off) set -- "$@" --no-cache ;;
    save) set -- "$@" --cache "$work/cache" ;;
    # What a pull request computes is not kept, so nothing need be written.
    *) set -- "$@" --cache "$work/cache" --cache-read-only ;;
    esac
    # Annotations and SARIF name files of the repository, in which the tree may be a folder.
    root=${tree#./}
    [ "$root" = . ] || set -- "$@" --annotation-root "$root"
    set -- "$@" --annotations "${ANNOTATIONS:-10}" --output console --output "console:$report_dir/report.txt" \
        --output "json:$report_dir/report.json" --output "junit:$report_dir/junit.xml" \
        --output "markdown:$report_dir/report.md" --output "html:$report_dir/kabigate-targets/{target}/report.html" \
        --output "sarif:$report_dir/kabigate-targets/{target}/kabigate.sarif" \
        --output "github:$report_dir/kabigate-targets/{target}/annotations.txt"
    code=0
    run "$@" || code=$?
    only_target
    # What the runner lacks is the usual reason; what is said here changes nothing. Doctor knows one baseline.
    if [ "$code" = 3 ]; then
        set -- doctor --tree "$tree"
        baseline=$(printf '%s\n' "${BASELINE:-}" | grep .) || baseline=
        [ "$(printf '%s' "$baseline" | wc -l)" != 0 ] || [ -z "$baseline" ] || set -- "$@" --baseline "$baseline"
        run "$@" || :
    fi
    results "$code"
}

# The files of which each target has its own: those of the only target lie beside the others.
only_target() {
    set -- "$report_dir"/kabigate-targets/*
    [ $# = 1 ] && [ -d "$1" ] || return 0
    mv "$1"/* "$report_dir"
    rm -r "$report_dir/kabigate-targets"
}

# Prints the path of such a file, or that of the folder that holds one for each target.
own_file() {
    if [ -d "$report_dir/kabigate-targets" ]; then printf '%s' "$report_dir/kabigate-targets"; else printf '%s' "$report_dir/$1"; fi
}

# Runs the program with the log's commands stopped and the runner's files out of reach of what it starts.
run() {
    token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    printf '::stop-commands::%s\n' "$token"
    status=0
    (
        unset GITHUB_OUTPUT GITHUB_ENV GITHUB_PATH GITHUB_STATE GITHUB_STEP_SUMMARY
        exec "$BINARY" "$@"
    ) || status=$?
    printf '::%s::\n' "$token"
    return "$status"
}

# Writes the outputs. The exit code counts only with a report that says the same: all else is "could not check".
results() {
    code=$1
    json=$report_dir/report.json
    if ! grep -q "^  \"exit_code\": $code,\$" "$json" 2>/dev/null; then
        echo "kabigate ended with code $code and left no report of it at $json" >&2
        [ "$code" = 2 ] || code=3
        rm -f "$json" "$report_dir/report.md" "$report_dir/annotations.txt"
    fi
    output exit-code "$code"
    output report-dir "$report_dir"
    output json "$json"
    output junit "$report_dir/junit.xml"
    output markdown "$report_dir/report.md"
    output html "$(own_file report.html)"
    output sarif "$(own_file kabigate.sarif)"
    if [ -s "$json" ]; then
        facts <"$json" >>"$GITHUB_OUTPUT"
    elif [ "$code" = 2 ]; then
        output verdict invalid
    else
        output verdict not-checked
    fi
}

# The report is indented by two blanks a level and its strings hold no line end, so a line's indent is its level. The reports
# of several targets stand two levels deeper; all of them have the same commits.
facts() {
    awk '
        function word(line) { sub(/^[^:]*: *"?/, "", line); sub(/"?,? *$/, "", line); return line }
        function known(text) { return text ~ /^[a-z0-9-]*$/ }
        /^  "verdict":/ && known(word($0)) { verdict = word($0) }
        /^  "reports":/ { several = 1 }
        several { sub(/^    /, "") }
        /^  "[a-z_]+":/ { part = $1; gsub(/[":]/, "", part); number = 0 }
        part == "reasons" && /^      "code":/ && known(word($0)) && !seen[word($0)]++ {
            reasons = reasons (reasons ? "," : "") word($0)
        }
        part == "tip" && /^      "failing":/ { failing += word($0) }
        part == "tip" && /^      "warned":/ { warned += word($0) }
        part == "tip" && /^      "approved":/ { approved += word($0) }
        part == "tip" && /^        "status": "stops-loading"/ { modules++ }
        part == "commits" && /^        "id":/ { id = word($0); number++ }
        part == "commits" && /^          "failing":/ && word($0) + 0 > 0 && (first == "" || number < least) && known(id) {
            first = id
            least = number
        }
        END {
            print "verdict=" verdict
            print "reasons=" reasons
            print "breaks=" failing + 0
            print "changed-symbols=" failing + warned + 0
            print "approved=" approved + 0
            print "affected-modules=" modules + 0
            print "first-bad-commit=" first
        }
    '
}

# A summary of more than 1024 KiB is dropped whole, so a longer one is only named.
summary() {
    markdown=$report_dir/report.md
    if [ ! -s "$markdown" ]; then
        printf '### NOT CHECKED  kabigate left no report; the log of the step says why\n'
    elif [ "$(wc -c <"$markdown")" -gt 1000000 ]; then
        head -n 1 "$markdown"
        printf '\nThe report is too long for a summary; it is the file report.md.\n'
    else
        cat "$markdown"
    fi >>"$GITHUB_STEP_SUMMARY"
}

# Prints annotations and no other command: the tree's own programs ran in this job.
annotations() {
    cat "$report_dir/annotations.txt" "$report_dir"/kabigate-targets/*/annotations.txt 2>/dev/null |
        grep -E '^::(error|warning|notice) ' | head -n 11 || :
}

# Comments on the pull request, in place of its own earlier comment. A token that may not is no failure.
comment() {
    case ${COMMENT:-off} in
    off) return 0 ;;
    failures | changes | always) ;;
    *)
        echo "comment: off, failures, changes or always, not ${COMMENT}" >&2
        return 2
        ;;
    esac
    case $(printf '%s' "${PULL_NUMBER:-}" | tr -d '0-9') in '') ;; *) return 0 ;; esac
    if [ -z "${PULL_NUMBER:-}" ] || [ ! -s "$report_dir/report.md" ]; then
        return 0
    fi
    wanted=no
    case $COMMENT:${VERDICT:-not-checked} in
    always:* | *:fail | *:invalid | *:not-checked) wanted=yes ;;
    changes:pass) [ "${CHANGED:-0}${APPROVED:-0}" = 00 ] || wanted=yes ;;
    esac
    place_comment "$PULL_NUMBER" "$report_dir/report.md" "$wanted"
}

case ${1:-} in
keys | install | check | summary | annotations | comment) "$1" ;;
*)
    echo "usage: run.sh keys|install|check|summary|annotations|comment" >&2
    exit 2
    ;;
esac
