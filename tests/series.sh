#!/bin/sh
# Walks the patches of a Debian kernel's source package commit by commit, and compares some commits with a computation
# from scratch.
#
#   sh tests/series.sh [VERSION] [CONFIG...]
#
# VERSION is one of the source package linux (default 6.1.176-1; the source entries of apt must be enabled), CONFIG what
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
    apt-get -o APT::Sandbox::User=root source --download-only "linux=$version"
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

# What a commit brings must be the same if only this commit is checked, from scratch.
python3 - "$seed" "$compare" > sample <<'PYTHON'
import json, random, sys
commits = [commit["commit"]["id"] for commit in json.load(open("walk.json"))["commits"]]
random.seed(int(sys.argv[1]))
count = int(sys.argv[2]) or max(1, len(commits) // 10)
print("\n".join(random.sample(commits, min(count, len(commits)))))
PYTHON
failed=0
while read -r commit; do
    "$kabigate" check --tree linux --range "$commit~1..$commit" --baseline baseline --mode observe --quiet \
        --no-cache --work "$scratch" --output json:one.json < /dev/null || failed=1
    python3 - "$commit" <<'PYTHON' || failed=1
import json, sys
of = lambda name: {c["commit"]["id"]: c for c in json.load(open(name))["commits"]}[sys.argv[1]]
equal = of("walk.json") == of("one.json")
print(f"{sys.argv[1]}: {'equal' if equal else 'DIFFERENT'}")
sys.exit(not equal)
PYTHON
done < sample
exit "$failed"
