# shellcheck shell=sh
# One comment on a pull request, updated in place. To be sourced. Needs gh, GH_TOKEN, REPOSITORY and MARKER_NAME.

# place_comment NUMBER FILE yes|no: writes the comment; with `no` only where there is one already, which then tells that all
# is well again.
place_comment() {
    # Anyone can write the marker, so the comment must be the token's own, too.
    name=$(printf '%s' "${MARKER_NAME:-kabigate}" | tr -cd 'A-Za-z0-9 ._/-')
    marker="<!-- kabigate $name -->"
    body=${RUNNER_TEMP:?}/kabigate-comment.md
    {
        printf '%s\n' "$marker"
        head -c 60000 "$2"
        [ -z "${COMMENT_NOTE:-}" ] || printf '\n%s\n' "$COMMENT_NOTE"
    } >"$body"
    own=$(MARKER=$marker gh api --paginate "repos/$REPOSITORY/issues/$1/comments" --jq \
        '.[] | select(.user.login == "github-actions[bot]" and (.body | startswith(env.MARKER))) | .id' | head -n 1) || own=
    if [ -n "$own" ]; then
        gh api --silent -X PATCH "repos/$REPOSITORY/issues/comments/$own" -F "body=@$body" || refused
    elif [ "$3" = yes ]; then
        gh api --silent "repos/$REPOSITORY/issues/$1/comments" -F "body=@$body" || refused
    fi
}

refused() {
    echo "::warning title=kabigate::the comment was refused; the job needs the permission pull-requests: write, which a fork's pull request never has: publish those with examples/publish.yml"
}
