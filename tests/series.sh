#!/bin/sh
# Walks the patches of a Debian kernel's source package commit by commit, twice: in one run, and in a run for each commit.
# Compares some commits with a computation from scratch.
#
#   sh tests/series.sh [VERSION] [CONFIG...]
#
# VERSION is one of the source package linux (default 6.1.176-1; it comes by tests/apt.sh), CONFIG what
# `kabigate symvers --config` takes (default: tinyconfig and tests/data/gate.config). KABIGATE names the program (default:
# target/release/kabigate), SCRATCH a folder for some 10 GiB (default: target/series), COMPARE how many commits are
# compared (default: every tenth), SEED which (default: the clock; printed, so that a run can be repeated).
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
version=${1:-6.1.176-1}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- tinyconfig "$top/tests/data/gate.config"
kabigate=${KABIGATE:-$top/target/release/kabigate}
scratch=${SCRATCH:-$top/target/series}
compare=${COMPARE:-0}
seed=${SEED:-$(date +%s)}
echo "SEED=$seed"

upstream=${version%-*}
mkdir -p "$scratch"
cd "$scratch"
if [ ! -d linux/.git ]; then
    sh "$top/tests/apt.sh" apt-get source -qq --download-only "linux=$version"
    mkdir -p linux debian-parts
    tar -C linux --strip-components=1 -xf linux_"$upstream".orig.tar.xz
    tar -C debian-parts -xf linux_"$version".debian.tar.xz
    git -C linux init -q
    git -C linux config gc.auto 0
    git -C linux add -f -A
    git -C linux -c user.name=a -c user.email=a@example.org commit -q -m "Linux $upstream"
    git -C linux tag base
    grep -v '^ *#\|^ *$' debian-parts/debian/patches/series > names
    while read -r name rest; do
        git -C linux apply --index --whitespace=nowarn "$scratch/debian-parts/debian/patches/$name"
        git -C linux -c user.name=a -c user.email=a@example.org commit -q -m "$name" < /dev/null
    done < names
fi

configs=
for config; do
    configs="$configs --config $config"
done
rm -rf baseline
# shellcheck disable=SC2086
"$kabigate" baseline create baseline --tree linux --rev base $configs --cache cache --work "$scratch"
echo module_layout > baseline/stablelist

status=0
start=$(date +%s)
"$kabigate" check --tree linux --range base..HEAD --baseline baseline --mode observe -v \
    --cache cache --work "$scratch" --output json:walk.json --output console:walk.txt || status=$?
echo "walked $(git -C linux rev-list --count base..HEAD) commits in $(($(date +%s) - start)) s, exit code $status"
[ "$status" -eq 0 ] || exit "$status"

# Every commit by a run of its own, which goes on from what the one before kept; of some the results stay.
python3 - "$seed" "$compare" > sample <<'PYTHON'
import json, random, sys
commits = [commit["commit"]["id"] for commit in json.load(open("walk.json"))["commits"]]
random.seed(int(sys.argv[1]))
count = int(sys.argv[2]) or max(1, len(commits) // 10)
print("\n".join(random.sample(commits, min(count, len(commits)))))
PYTHON
rm -rf kept scratch
mkdir kept scratch
# From a commit to its Module.symvers and the types behind it: FOLDER COMMIT OPTION...
compute() {
    to=$1 commit=$2
    shift 2
    # shellcheck disable=SC2086
    "$kabigate" symvers --tree linux --rev "$commit" $configs "$@" \
        --quiet --out "$to/$commit" --symtypes "$to/$commit.types" < /dev/null > "$to/log" 2>&1 || {
        cat "$to/log"
        exit 1
    }
}
start=$(date +%s)
git -C linux rev-list --reverse base..HEAD > commits
while read -r commit; do
    compute kept "$commit" --cache cache
    grep -qx "$commit" sample || rm "kept/$commit" "kept/$commit.types"
done < commits
echo "a run for each commit: $(($(date +%s) - start)) s"

failed=0
while read -r commit; do
    compute scratch "$commit" --no-cache
    equal=equal
    cmp "kept/$commit" "scratch/$commit" && cmp "kept/$commit.types" "scratch/$commit.types" || equal=DIFFERENT failed=1
    echo "$commit: $equal, $(wc -l < "scratch/$commit") symbols"
done < sample

# Between two of them, what the walk said must be what differs.
python3 - <<'PYTHON' || failed=1
import json, sys
lines = lambda name: {line.split("\t")[1]: line for line in open(name)}
commits, sample = json.load(open("walk.json"))["commits"], set(open("sample").read().split())
before, said, wrong = lines("baseline/Module.symvers"), set(), 0
for commit in commits:
    name = commit["commit"]["id"]
    findings = commit["findings"]
    said.update(change["symbol"] for change in findings["symbols"] + findings["unprotected"])
    if name not in sample:
        continue
    now = lines(f"scratch/{name}")
    differ = {symbol for symbol in before.keys() | now.keys() if before.get(symbol) != now.get(symbol)}
    if len(now) != findings["counts"]["head"] or not differ <= said:
        wrong += 1
        print(f"{name}: the walk says {findings['counts']['head']} symbols and none of {sorted(differ - said)[:5]}")
    before, said = now, set()
print(f"the walk against {len(sample)} commits from scratch: {wrong} DIFFERENT" if wrong else "the walk says the same")
sys.exit(bool(wrong))
PYTHON
exit "$failed"
