#!/bin/sh
# Sources that are made here: two of which one needs a symbol of the other, and one that only builds as its dkms.conf says,
# with a shell condition, a patch and a kernel that it excludes.
#
#   sh tests/dkms/made.sh KABIGATE HEADERS SCRATCH
set -eu
kabigate=${1:?usage: made.sh KABIGATE HEADERS SCRATCH}
headers=${2:?usage: made.sh KABIGATE HEADERS SCRATCH}
scratch=${3:?usage: made.sh KABIGATE HEADERS SCRATCH}
rm -rf "$scratch/made"
mkdir -p "$scratch/made/core" "$scratch/made/user" "$scratch/made/acme/patches"
cd "$scratch/made"

echo 'obj-m := acme_core.o' >core/Kbuild
cat >core/acme_core.c <<'C'
#include <linux/module.h>
int acme_open(int);
int acme_open(int a) { return a + 1; }
EXPORT_SYMBOL_GPL(acme_open);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("core");
C
echo 'obj-m := acme_user.o' >user/Kbuild
cat >user/acme_user.c <<'C'
#include <linux/module.h>
int acme_open(int);
static int __init start(void) { return acme_open(-1); }
module_init(start);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("user");
C

cat >acme/dkms.conf <<'CONF'
PACKAGE_NAME=acme
PACKAGE_VERSION=1.0
case "$kernelver" in
6.*) BUILT_MODULE_NAME[0]=acme ;;
*) BUILT_MODULE_NAME[0]=acme_old ;;
esac
BUILT_MODULE_LOCATION[0]=src
DEST_MODULE_LOCATION[0]=/extra
PATCH[0]=include.patch
PATCH[1]=broken.patch
PATCH_MATCH[1]='^2\.6'
MAKE[0]="make -C $kernel_source_dir M=$dkms_tree/$module/$module_version/build/src GREETING=hello modules"
CONF
mkdir acme/src
# shellcheck disable=SC2016 # for make
printf 'obj-m := acme.o\nccflags-y := -DGREETING=\\"$(GREETING)\\"\n' >acme/src/Makefile
cat >acme/src/acme.c <<'C'
#include <linux/absent.h>
static int __init start(void) { pr_info("%s\n", GREETING); return 0; }
module_init(start);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("acme");
C
cat >acme/patches/include.patch <<'PATCH'
--- a/src/acme.c
+++ b/src/acme.c
@@ -1,2 +1,2 @@
-#include <linux/absent.h>
+#include <linux/module.h>
 static int __init start(void) { pr_info("%s\n", GREETING); return 0; }
PATCH
echo nonsense >acme/patches/broken.patch

# Exit code and text of a validation.
expect() {
    wanted=$1 text=$2
    shift 2
    status=0
    "$kabigate" validate "$@" --rebuild --against "$headers" >out 2>err || status=$?
    if [ "$status" -ne "$wanted" ] || ! grep -q "$text" out; then
        echo "validate $*: exit code $status, expected $wanted and '$text'" >&2
        cat out err >&2
        exit 1
    fi
    echo "validate $*: as expected"
}
expect 1 'acme_open.*undefined!' user
expect 0 'user/(sources) *loads, rebuilds cleanly' user core
expect 0 'acme/(sources) *loads, rebuilds cleanly' acme
sed -i '1i BUILD_EXCLUSIVE_KERNEL="^7\\."' acme/dkms.conf
expect 3 'unknown' acme
sed -i '1d' acme/dkms.conf
echo 'PATCH[0]=broken.patch' >>acme/dkms.conf
expect 1 'broken.patch of its dkms.conf does not apply' acme
