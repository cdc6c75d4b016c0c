//! The `kabigate` program: everything it does is in [`kabigate::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    kabigate::cli::main()
}
