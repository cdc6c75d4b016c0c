//! What this program does under the name of a compiler.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use super::sandbox::NOT_STARTED;
use super::stdout::complain;
use crate::kbuild::{PROBES, reply, stands_in};

/// Replies in the place of the compiler, or becomes it; nothing if this program was called as itself.
pub(super) fn stand_in() -> Option<ExitCode> {
    let folder = std::env::var_os(PROBES)?;
    let folder = Path::new(&folder);
    let argv: Vec<OsString> = std::env::args_os().collect();
    if !argv.first().is_some_and(|name| stands_in(folder, name)) {
        return None;
    }
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let code = match reply(folder, &argv, &variables) {
        Ok(reply) => {
            // Who asks may have closed what he does not read.
            let _ = io::stdout().write_all(&reply.stdout);
            let _ = io::stdout().flush();
            let _ = io::stderr().write_all(&reply.stderr);
            reply.code
        }
        Err(error) => {
            let name = argv.first().cloned().unwrap_or_default();
            complain(&format!("{}: {error}", name.display()));
            NOT_STARTED
        }
    };
    Some(ExitCode::from(code))
}
