//! The filter of system calls (`seccomp(2)`).
//!
//! Refused is what a build has no use for, and what the other mechanisms do not hold: every socket, so that neither the
//! network nor the services of the machine can be reached; leaving the process group, so that one signal ends all; new
//! namespaces, in which a user gets the rights of root; keys, shared memory and other things that processes of one user
//! share without a file; and what gives the kernel most to do wrong.

use super::Policy;

/// Restricts this thread.
///
/// # Errors
/// If the machine has no filter that is known, or refuses it.
#[cfg(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
))]
pub(super) fn apply(policy: &Policy) -> Result<(), String> {
    calls::apply(policy)
}

/// Restricts nothing.
///
/// # Errors
/// Always.
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
)))]
pub(super) fn apply(_: &Policy) -> Result<(), String> {
    Err("not known for this machine".to_owned())
}

#[cfg(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "riscv64"
))]
mod calls {
    use std::collections::BTreeMap;

    use libc::c_long;
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, TargetArch,
    };

    use super::Policy;

    /// Refused with "operation not permitted".
    const REFUSED: [c_long; 46] = [
        libc::SYS_socket,
        libc::SYS_setsid,
        libc::SYS_setpgid,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_fsopen,
        libc::SYS_fspick,
        libc::SYS_fsmount,
        libc::SYS_mount_setattr,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_reboot,
        libc::SYS_acct,
        libc::SYS_syslog,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_quotactl,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
        libc::SYS_shmget,
        libc::SYS_shmat,
        libc::SYS_msgget,
        libc::SYS_semget,
        libc::SYS_mq_open,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_fanotify_init,
    ];

    /// Refused as if the kernel had none: callers then take an older call, whose arguments can be judged.
    const ABSENT: [c_long; 2] = [libc::SYS_clone3, libc::SYS_io_uring_setup];

    /// Refused to compilers, whose results are read by name.
    const LINKS: [c_long; 2] = [libc::SYS_symlinkat, libc::SYS_mknodat];
    #[cfg(target_arch = "x86_64")]
    const OLD_LINKS: [c_long; 2] = [libc::SYS_symlink, libc::SYS_mknod];
    #[cfg(not(target_arch = "x86_64"))]
    const OLD_LINKS: [c_long; 0] = [];

    /// New namespaces as flags of `clone`.
    const NAMESPACES: [libc::c_int; 7] = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];

    /// The second table of x86, with pointers of 32 bits, has the numbers of the first with this bit.
    #[cfg(target_arch = "x86_64")]
    const TABLES: [c_long; 2] = [0, 0x4000_0000];
    #[cfg(not(target_arch = "x86_64"))]
    const TABLES: [c_long; 1] = [0];

    type Rules = BTreeMap<i64, Vec<SeccompRule>>;

    pub(super) fn apply(policy: &Policy) -> Result<(), String> {
        let mut refused = all(&REFUSED);
        if !policy.links {
            refused.extend(all(&LINKS));
            refused.extend(all(&OLD_LINKS));
        }
        for table in TABLES {
            refused.insert(libc::SYS_clone | table, namespaces()?);
        }
        for (rules, errno) in [(refused, libc::EPERM), (all(&ABSENT), libc::ENOSYS)] {
            let program = program(rules, errno).map_err(|error| error.to_string())?;
            seccompiler::apply_filter(&program).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Rules that fit whatever the arguments are.
    fn all(calls: &[c_long]) -> Rules {
        let tables = TABLES.iter();
        tables
            .flat_map(|table| calls.iter().map(move |call| (call | table, Vec::new())))
            .collect()
    }

    /// A rule for each kind of namespace.
    fn namespaces() -> Result<Vec<SeccompRule>, String> {
        let rule = |flag: libc::c_int| {
            let flag = u64::from(flag.cast_unsigned());
            let is_set = SeccompCmpOp::MaskedEq(flag);
            let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, is_set, flag)?;
            SeccompRule::new(vec![condition])
        };
        let rules: Result<_, seccompiler::BackendError> =
            NAMESPACES.iter().map(|&flag| rule(flag)).collect();
        rules.map_err(|error| error.to_string())
    }

    fn program(rules: Rules, errno: libc::c_int) -> Result<BpfProgram, seccompiler::BackendError> {
        let refuse = SeccompAction::Errno(errno.cast_unsigned());
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into()
    }
}
