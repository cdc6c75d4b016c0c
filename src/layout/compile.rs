//! One unit compiled for its debug information.

use std::time::Duration;

use super::LayoutError;
use crate::cpp::Call;
use crate::cpp::child::{self, Child, Environment};

/// Wall time of one compile.
const TIME: Duration = Duration::from_secs(180);
/// Bytes that the compiler may print.
const OUTPUT_LIMIT: u64 = 1 << 20;
/// Bytes of an object.
const OBJECT_LIMIT: u64 = 256 << 20;
/// Lines of the compiler's messages that an error repeats.
const MESSAGE_LINES: usize = 3;

/// What is added to a call.
///
/// Types that nothing uses are wanted too. The source's own checks of sizes are silenced, as they would put a compile error in the
/// place of the figures: `_Static_assert` by its name, the kernel's `BUILD_BUG_ON` by the macro without which it does nothing.
const OPTIONS: [&str; 7] = [
    "-U__OPTIMIZE__",
    "-D_Static_assert(...)=",
    "-g",
    "-fno-eliminate-unused-debug-types",
    "-fno-lto",
    "-w",
    "-c",
];

/// Compiles the call's source with debug information into a temporary file and hands back the object.
///
/// # Errors
/// If the compiler cannot be run, refuses the source or passes a bound.
pub fn object(call: &Call, environment: &Environment) -> Result<Vec<u8>, LayoutError> {
    let run = |message: String| LayoutError::Run {
        unit: call.source.clone(),
        message,
    };
    let target = tempfile::Builder::new()
        .suffix(".o")
        .tempfile_in(&environment.home)
        .map_err(|error| run(error.to_string()))?;
    let mut argv = child::argv(&call.program);
    argv.extend(child::argv(
        call.args
            .iter()
            .map(|word| &**word)
            .filter(|word| !is_dropped(word)),
    ));
    argv.extend(child::argv(OPTIONS));
    argv.push("-o".into());
    argv.push(target.path().into());
    argv.push((&call.source).into());
    let (finished, _) = child::output(&Child {
        argv: &argv,
        cwd: &call.cwd,
        environment,
        stdin: None,
        time: TIME,
        output: OUTPUT_LIMIT,
    })
    .map_err(|error| run(error.to_string()))?;
    if !finished.status.success() {
        return Err(LayoutError::Compile {
            unit: call.source.clone(),
            message: errors(&String::from_utf8_lossy(&finished.stderr)),
        });
    }
    let size = std::fs::metadata(target.path()).map_or(0, |metadata| metadata.len());
    if size > OBJECT_LIMIT {
        return Err(run(format!(
            "the object has more than {OBJECT_LIMIT} bytes"
        )));
    }
    std::fs::read(target.path()).map_err(|error| run(error.to_string()))
}

/// Arguments that put debug information elsewhere or pack it.
fn is_dropped(word: &str) -> bool {
    word == "-gsplit-dwarf" || word.starts_with("-gz")
}

fn errors(text: &str) -> String {
    let told = text.lines().filter(|line| line.contains("error"));
    let lines: Vec<&str> = told.take(MESSAGE_LINES).map(str::trim).collect();
    if lines.is_empty() {
        return text.lines().next().unwrap_or("no message").to_owned();
    }
    lines.join("; ")
}
