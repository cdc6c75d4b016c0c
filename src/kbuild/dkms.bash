# shellcheck shell=bash disable=SC1091,SC2016,SC2153,SC2154 # variables of the environment and of dkms.conf, and text for eval
#
# Builds DKMS sources for one kernel, as dkms(8) describes it.
#
# Runs in a private copy of the sources, which is $dkms_tree/$module/$module_version/build, with the variables that a
# dkms.conf may use; its arguments are variables for make. A dkms.conf is a program for this shell: what it says for a
# kernel is known once it ran. Prints the modules that it names, without `.ko`, each followed by a zero byte.
#
# Exit codes beside those of the build: 77 the configuration excludes the kernel, 78 the sources cannot be prepared; the
# last line of standard error says why.

# They are variables of this shell, not of make.
export -n module module_version kernelver kernel_source_dir dkms_tree source_tree arch jobs

# Nothing but the names of modules goes to standard output.
exec 3>&1 >/dev/null

stop() {
    printf '%s\n' "$2" >&2
    exit "$1"
}

# Whether a version is at least another one.
at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]; }

has_kbuild_file() { grep -qs 'obj-' "$1/Kbuild" "$1/Makefile" "$1/makefile"; }

source ./dkms.conf

exclude() { stop 77 "its dkms.conf excludes this kernel: $1"; }
[[ -z $BUILD_EXCLUSIVE_KERNEL || $kernelver =~ $BUILD_EXCLUSIVE_KERNEL ]] ||
    exclude "BUILD_EXCLUSIVE_KERNEL=$BUILD_EXCLUSIVE_KERNEL"
[[ -z $BUILD_EXCLUSIVE_KERNEL_MIN ]] || at_least "$kernelver" "$BUILD_EXCLUSIVE_KERNEL_MIN" ||
    exclude "BUILD_EXCLUSIVE_KERNEL_MIN=$BUILD_EXCLUSIVE_KERNEL_MIN"
[[ -z $BUILD_EXCLUSIVE_KERNEL_MAX ]] || at_least "$BUILD_EXCLUSIVE_KERNEL_MAX" "$kernelver" ||
    exclude "BUILD_EXCLUSIVE_KERNEL_MAX=$BUILD_EXCLUSIVE_KERNEL_MAX"
[[ -z $BUILD_EXCLUSIVE_ARCH || $arch =~ $BUILD_EXCLUSIVE_ARCH ]] ||
    exclude "BUILD_EXCLUSIVE_ARCH=$BUILD_EXCLUSIVE_ARCH"
for option in $BUILD_EXCLUSIVE_CONFIG; do
    set_there=no
    ! grep -qs "^${option#!}=[ym]" "$kernel_source_dir/.config" || set_there=yes
    case $option in
    !*) [[ $set_there == no ]] || exclude "BUILD_EXCLUSIVE_CONFIG has $option" ;;
    *) [[ $set_there == yes ]] || exclude "BUILD_EXCLUSIVE_CONFIG has $option" ;;
    esac
done

# A single module may go without a name: the package has it.
[[ ${#BUILT_MODULE_NAME[@]} -gt 0 || ${#DEST_MODULE_LOCATION[@]} -gt 1 ]] || BUILT_MODULE_NAME=("$PACKAGE_NAME")
for number in "${!BUILT_MODULE_NAME[@]}"; do
    location=${BUILT_MODULE_LOCATION[number]%/}
    printf '%s\0' "${location:+$location/}${BUILT_MODULE_NAME[number]}" >&3
done

for number in "${!PATCH[@]}"; do
    [[ -z ${PATCH_MATCH[number]} || $kernelver =~ ${PATCH_MATCH[number]} ]] || continue
    command -v patch || stop 127 "the program patch is not installed"
    patch -s -p1 <"patches/${PATCH[number]}" || stop 78 "the patch ${PATCH[number]} of its dkms.conf does not apply"
done

make=
places=()
for number in "${!MAKE[@]}"; do
    if [[ -n ${MAKE_MATCH[number]} ]]; then
        [[ ! $kernelver =~ ${MAKE_MATCH[number]} ]] || make=${MAKE[number]}
    elif [[ -z $make ]]; then
        make=${MAKE[number]}
    fi
done
[[ -n $make ]] || make='make -C "$kernel_source_dir" M="$dkms_tree/$module/$module_version/build"'

# A command that does not name this kernel's folder looks for it in /lib/modules, where another one may be.
case "$make $PRE_BUILD" in
*"$kernel_source_dir"* | *kernel_source_dir*) ;;
*)
    if [[ ! /lib/modules/$kernelver/build -ef $kernel_source_dir ]]; then
        PRE_BUILD=
        make=usual
        ! has_kbuild_file . || places=(.)
        for location in "${BUILT_MODULE_LOCATION[@]}"; do
            [[ ${places[0]} != . && " ${places[*]} " != *" $location "* ]] || continue
            ! has_kbuild_file "$location" || places+=("$location")
        done
        [[ ${#places[@]} -gt 0 ]] ||
            stop 127 "its dkms.conf looks for the kernel in /lib/modules/$kernelver/build, which is not this one"
    fi
    ;;
esac

usual() {
    local place
    for place in "${places[@]}"; do
        make -j"$jobs" -C "$kernel_source_dir" M="$PWD/$place" "$@" modules || return
    done
}

if [[ -n $PRE_BUILD && -x ${PRE_BUILD%% *} ]]; then
    (eval "./$PRE_BUILD") || stop 78 "PRE_BUILD of its dkms.conf fails"
fi
if [[ $make == usual ]]; then
    usual "$@"
else
    own='make -j"$jobs" KERNELRELEASE="$kernelver" "$@"'
    eval "${make/#make/$own}"
fi
