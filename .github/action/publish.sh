#!/bin/sh
# Comments the result of an unprivileged run on its pull request: the step of .github/publish/action.yml.
#
# All that comes from that run is a stranger's. One file is taken out of its artifact, within a bound, read by the pinned
# program and rendered anew; nothing else of the artifact is looked at, and no number or address in it is believed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=${RUNNER_TEMP:?RUNNER_TEMP is not set}/kabigate-publish
limit=200000000

# shellcheck source=.github/action/comment.sh
. "$here/comment.sh"

fail() {
    echo "kabigate: $*" >&2
    exit 1
}

: "${BINARY:?}" "${REPOSITORY:?}" "${RUN_ID:?}" "${HEAD_SHA:?}" "${HEAD_OWNER:?}" "${HEAD_BRANCH:?}" "${HEAD_REPOSITORY:?}"
rm -rf "$work"
mkdir -p "$work"

# The event does not say which pull request a fork's run was for. The head that it names does.
number=$(gh api -X GET "repos/$REPOSITORY/pulls" -f state=open -f "head=$HEAD_OWNER:$HEAD_BRANCH" --jq \
    '.[] | select(.head.sha == env.HEAD_SHA and .head.repo.full_name == env.HEAD_REPOSITORY) | .number' | head -n 1)
if [ -z "$number" ]; then
    echo "no open pull request has the head $HEAD_SHA any more; a later run speaks for it"
    exit 0
fi

# Names hold no blank, so each line is id, size and name.
gh api --paginate "repos/$REPOSITORY/actions/runs/$RUN_ID/artifacts" --jq \
    '.artifacts[] | select((.name | test("^kabigate-[A-Za-z0-9._-]+$")) and (.expired | not)) | "\(.id) \(.size_in_bytes) \(.name)"' \
    >"$work/artifacts"
[ -s "$work/artifacts" ] || fail "run $RUN_ID left no report"

while read -r id size name; do
    [ "$size" -le "$limit" ] || fail "$name: the artifact is too large"
    gh api "repos/$REPOSITORY/actions/artifacts/$id/zip" >"$work/artifact.zip"
    # To standard output and by its exact name: nothing of the archive becomes a file under a name of its own.
    unzip -p "$work/artifact.zip" report.json 2>/dev/null | head -c "$limit" >"$work/report.json" || :
    [ -s "$work/report.json" ] || fail "$name holds no report.json"
    rm -f "$work/read.json" "$work/report.md"
    # The exit code is that of the run; a report that is none leaves no file.
    "$BINARY" report --quiet --from "$work/report.json" --output "json:$work/read.json" \
        --output "markdown:$work/report.md" || :
    [ -s "$work/report.md" ] || fail "$name: report.json is no report"
    # A report, or those of several targets, which stand two levels deeper.
    head=$(sed -n '/^\(    \)\{1,2\}"head": {$/,/^ *}/s/^ *"id": "\([0-9a-f]*\)",$/\1/p' "$work/read.json" | sort -u)
    [ "$head" = "$HEAD_SHA" ] || fail "$name speaks of another commit than the head of its run"
    verdict=$(sed -n 's/^  "verdict": "\([a-z-]*\)",$/\1/p' "$work/read.json")
    wanted=yes
    [ "$verdict" != pass ] || wanted=no
    MARKER_NAME="$name" \
        COMMENT_NOTE="The figures come from [a run without privileges](https://github.com/$REPOSITORY/actions/runs/$RUN_ID) of this pull request's commits." \
        place_comment "$number" "$work/report.md" "$wanted"
    echo "pull request $number, $name: $verdict"
done <"$work/artifacts"
