#!/bin/sh
# Makes a first corpus for every target out of what earlier runs found (fuzz/corpus.tar.zst) and of files that the tools of the
# system write: fuzz/corpus/TARGET/.
#
#   sh fuzz/seeds.sh
#
# Needs gcc, binutils, dpkg-deb, rpmbuild, tar, xz, zstd and bzip2. What is there already stays.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
corpus=$here/corpus
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in genksyms symvers symtypes lists policy module packages dkms releases modules_json report_json; do
    mkdir -p "$corpus/$target"
done
zstd -dcq "$here/corpus.tar.zst" | tar -C "$corpus" -xf -

# A module, as its sections make it: imports with both kinds of version records, an export, and what .modinfo tells.
cat >"$work/acme.c" <<'C'
struct version { unsigned long crc; char name[64 - sizeof(long)]; };
extern int printk(const char *, ...);
static const struct version versions[] __attribute__((used, section("__versions"))) = { { 1, "module_layout" }, { 2, "printk" } };
static const unsigned ext_crcs[] __attribute__((used, section("__version_ext_crcs"))) = { 1, 2 };
static const char ext_names[] __attribute__((used, section("__version_ext_names"))) = "module_layout\0printk";
static const char info[] __attribute__((used, section(".modinfo"))) =
    "license=GPL\0name=acme\0vermagic=6.1.0 SMP mod_unload modversions \0depends=\0import_ns=CXL\0retpoline=Y";
static char this_module[896] __attribute__((used, section(".gnu.linkonce.this_module")));
int acme_open(void) { return printk("acme"); }
static void *ksymtab __attribute__((used, section("__ksymtab"))) = acme_open;
C
gcc -c -fno-pic -o "$corpus/module/x86_64.ko" "$work/acme.c"
gcc -c -m32 -fno-pic -o "$corpus/module/i386.ko" "$work/acme.c" 2>/dev/null || true
for packer in gzip xz zstd bzip2 "xz --format=lzma"; do
    $packer -c "$corpus/module/x86_64.ko" >"$corpus/module/x86_64.$(echo "$packer" | tr -d ' =-')"
done

# The same in every kind of package.
root=$work/root
mkdir -p "$root/lib/modules/6.1.0/extra" "$root/usr/src/acme-1.0" "$root/DEBIAN"
cp "$corpus/module/x86_64.ko" "$root/lib/modules/6.1.0/extra/acme.ko"
cat >"$root/usr/src/acme-1.0/dkms.conf" <<'CONF'
PACKAGE_NAME="acme"
PACKAGE_VERSION="1.0"
MAKE[0]="make -C ${kernel_source_dir} M=${dkms_tree}/${PACKAGE_NAME}/${PACKAGE_VERSION}/build"
BUILT_MODULE_NAME[0]="$PACKAGE_NAME"
BUILT_MODULE_LOCATION[0]="src/"
DEST_MODULE_LOCATION[0]=/extra
if [ -f $kernel_source_dir/.config ]; then
  BUILD_EXCLUSIVE_KERNEL='^6\.'
fi
AUTOINSTALL=yes # always
CONF
cp "$root/usr/src/acme-1.0/dkms.conf" "$corpus/dkms/acme"
printf 'Package: acme\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: x\n' >"$root/DEBIAN/control"
for packer in none gzip xz zstd; do
    dpkg-deb -Z"$packer" --root-owner-group -b "$root" "$corpus/packages/$packer.deb" >/dev/null
done
tar -C "$root" -cf "$corpus/packages/plain.tar" lib usr
for packer in gzip xz zstd bzip2; do
    $packer -c "$corpus/packages/plain.tar" >"$corpus/packages/tar.$packer"
done
cat >"$work/acme.spec" <<SPEC
Name: kmod-acme
Version: 1.0
Release: 1
Summary: x
License: GPL
Requires: kernel(printk) = 0x00000002
Requires: ksym(default:printk) = 2
AutoReqProv: no
%description
x
%install
cp -r $root/lib %{buildroot}
%files
/lib
SPEC
for payload in w9.gzdio w6.xzdio w3.zstdio w9.lzdio w9.bzdio; do
    rpmbuild -bb --quiet --define "_topdir $work/rpm" --define "_binary_payload $payload" \
        --define '__os_install_post %{nil}' --define 'debug_package %{nil}' "$work/acme.spec" >/dev/null 2>&1
    cp "$(find "$work/rpm/RPMS" -name '*.rpm')" "$corpus/packages/$payload.rpm"
done

# Texts, out of what the repository holds.
cp "$top"/tests/data/genksyms/*.i "$corpus/genksyms/"
cp "$top"/tests/data/genksyms/*.symtypes "$corpus/symtypes/"
baseline=$top/baselines/debian-6.1-amd64
head -n 40 "$baseline/Module.symvers" >"$corpus/symvers/current"
cut -f 1-4 "$corpus/symvers/current" >"$corpus/symvers/four-columns"
cut -f 1-3 "$corpus/symvers/current" >"$corpus/symvers/three-columns"
zstd -dcq "$baseline/symtypes.zst" | head -c 20000 >"$corpus/symtypes/consolidated" || true
head -n 40 "$baseline/stablelist" >"$corpus/lists/stablelist"
cp "$top/examples/stablelist" "$corpus/lists/example"
printf '{"schema": 1, "modules": [' >"$corpus/modules_json/one"
sed -n '/^    {$/,/^    }/p;/^    },$/q' "$baseline/modules.json" | sed 's/^    },$/    }/' >>"$corpus/modules_json/one"
echo ']}' >>"$corpus/modules_json/one"
for sample in "$top"/target/samples/*.json; do
    [ ! -e "$sample" ] || cp "$sample" "$corpus/report_json/"
done
cat >"$corpus/policy/rules" <<'RULES'
[[rule]]
symbol = ["kvm_*", "vcpu_load"]
class = ["crc-changed", "moved"]
standing = "used"
severity = "notice"
RULES
printf 'drivers/net/* PASS\nvmlinux FAIL\nNET_* PASS # why\n' >"$corpus/policy/severities"
cat >"$corpus/policy/approvals" <<'APPROVALS'
[[approval]]
fingerprint = "9f0c2d8e41b6a7351c55e8d2f0b94a63"
what = "struct net_device: definition changed"
reason = "nobody allocates it"
owner = "net <net@example.org>"
expires = 2027-01-31
APPROVALS
printf 'struct a {\n#ifdef __GENKSYMS__\n\tint a;\n#else\n\tRH_KABI_RESERVE(1)\n#endif\n} __packed;\n' >"$corpus/policy/source"
printf '3.10.0-327.el7.x86_641.0~rc1^git' >"$corpus/releases/pair"
printf '6.1.0-9-amd646.1.0-10-amd64' >"$corpus/releases/numbers"
