//! What a compiler answered.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde::{Deserialize, Serialize};

use super::question::Question;

/// Bytes of a source on standard input, and of a reply, that are kept.
const LIMIT: u64 = 256 << 10;
/// What a source says that has the compiler look at another file: `#include`, `.incbin`, `#embed`, `#import`, `#pragma`.
const READS: [&[u8]; 4] = [b"inc", b"embed", b"import", b"pragma"];
/// Variables that compilers read (`gcc(1)`, `clang(1)`), by their starts.
const VARIABLES: [&str; 13] = [
    "PATH",
    "LANG",
    "LC_",
    "GCC_",
    "COLLECT_",
    "COMPILER_PATH",
    "LIBRARY_PATH",
    "LD_",
    "GLIBC_",
    "SOURCE_DATE_EPOCH",
    "CCC_",
    "CLANG_",
    "CCACHE_",
];
/// The same, by their ends: `CPATH`, `C_INCLUDE_PATH`.
const ENDS: [&str; 2] = ["CPATH", "INCLUDE_PATH"];
/// Variables that have the compiler write further files.
const WRITES: [&str; 2] = ["DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES"];

/// How a call ended.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Its exit code, or what shells make of the signal that ended it.
    pub code: u8,
    /// What it printed to standard output.
    pub stdout: Vec<u8>,
    /// What it printed to standard error.
    pub stderr: Vec<u8>,
    /// The content of the file that it wrote.
    file: Option<Vec<u8>>,
}

impl Question {
    /// The reply that is kept in `folder`, or that of the compiler.
    pub(super) fn ask(
        &self,
        folder: &Path,
        mut compiler: Command,
        variables: &[(OsString, OsString)],
    ) -> io::Result<Reply> {
        let mut source = Vec::new();
        if self.reads_input {
            io::stdin().take(LIMIT + 1).read_to_end(&mut source)?;
        }
        let is_long = source.len() as u64 > LIMIT;
        let reads = |text: &[u8]| memchr::memmem::find(&source, text).is_some();
        let writes = |(name, _): &(OsString, OsString)| WRITES.iter().any(|known| name == *known);
        if is_long || READS.into_iter().any(reads) || variables.iter().any(writes) {
            return Ok(Reply::of(feed(&mut compiler, &source, is_long)?));
        }
        let kept = folder.join(self.key(&source, variables)?.to_hex().as_str());
        if let Some(reply) = Reply::read(&kept) {
            if let (Some(path), Some(content)) = (&self.file, &reply.file) {
                fs::write(path, content)?;
            }
            return Ok(reply);
        }
        let output = feed(&mut compiler, &source, false)?;
        let is_signal = output.status.code().is_none();
        let mut reply = Reply::of(output);
        if let Some(path) = &self.file
            && let Ok(found) = fs::metadata(path)
        {
            // After a failure what stands there may be what stood there before the call.
            if reply.code != 0 || found.len() > LIMIT {
                return Ok(reply);
            }
            reply.file = Some(fs::read(path)?);
        }
        if !is_signal {
            // A reply that is not kept is asked for again.
            let _ = reply.write(&kept);
        }
        Ok(reply)
    }

    /// Tells questions apart that may have different replies.
    fn key(&self, source: &[u8], variables: &[(OsString, OsString)]) -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(std::env::current_dir()?.as_os_str().as_bytes());
        part(source);
        part(&[u8::from(self.file.is_some())]);
        for word in &self.words {
            part(word.as_bytes());
        }
        let mut read: Vec<_> = variables.iter().filter(|(name, _)| is_read(name)).collect();
        read.sort();
        for (name, value) in read {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        Ok(hasher.finalize())
    }
}

fn is_read(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    VARIABLES.iter().any(|start| name.starts_with(start))
        || ENDS.iter().any(|end| name.ends_with(end))
}

/// Runs the compiler on a source; `more` of it may still wait in standard input.
fn feed(compiler: &mut Command, source: &[u8], more: bool) -> io::Result<Output> {
    compiler.stdout(Stdio::piped()).stderr(Stdio::piped());
    if source.is_empty() {
        return compiler.output();
    }
    let mut child = compiler.stdin(Stdio::piped()).spawn()?;
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let Some(mut stdin) = stdin else { return };
            // A compiler that does not read to the end has seen enough.
            let fed = stdin.write_all(source);
            if more && fed.is_ok() {
                let _ = io::copy(&mut io::stdin(), &mut stdin);
            }
        });
        child.wait_with_output()
    })
}

impl Reply {
    fn of(output: Output) -> Reply {
        use std::os::unix::process::ExitStatusExt as _;
        let status = output.status;
        let code = status.code().or(status.signal().map(|signal| 128 + signal));
        Reply {
            code: code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255),
            stdout: output.stdout,
            stderr: output.stderr,
            file: None,
        }
    }

    fn read(path: &Path) -> Option<Reply> {
        postcard::from_bytes(&fs::read(path).ok()?).ok()
    }

    /// Keeps it: whole or not at all.
    fn write(&self, path: &Path) -> io::Result<()> {
        let bytes = postcard::to_stdvec(self).map_err(io::Error::other)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        if bytes.len() as u64 > LIMIT {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&bytes)?;
        file.persist(path)?;
        Ok(())
    }
}
