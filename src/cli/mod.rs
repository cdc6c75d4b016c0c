//! The command line: one file per command, each from arguments over a library call and a rendering to an exit code.
//!
//! Only this room prints, reads the environment or decides an exit code.

mod baseline;
mod cache;
mod check;
mod configs;
mod decisions;
mod diff;
mod doctor;
mod explain;
mod heap;
mod help;
mod import;
mod interrupt;
mod lists;
mod merge;
mod modules;
mod next;
mod outputs;
mod pager;
mod plan;
mod policy_files;
mod probe;
mod progress;
mod protect;
mod report;
mod sandbox;
mod schema;
mod selection;
mod settings;
mod stdout;
mod symvers;
mod toolchain;
mod update;
mod validate;

use std::process::ExitCode;

use clap::{ColorChoice, Parser, Subcommand};

use crate::report::{Reason, ReasonCode};
use stdout::{Style, error};

/// What `--help` says below the options.
const EXAMPLES: &str = concat!(
    "\
Examples:
  kabigate doctor --tree linux --config x86_64_defconfig
  kabigate baseline create baselines/x86_64 --tree linux --config x86_64_defconfig --protect stablelist
  kabigate check --tree linux --range origin/main..HEAD --baseline baselines/x86_64
  kabigate validate drivers/*.rpm --against /lib/modules/6.1.0-50-amd64",
    help::gate_codes!()
);

/// Heading of the options that every command has.
const DISPLAY: &str = "Display options";

/// CI gate for the Linux kernel ABI: which commits change protected symbols, why, and which modules stop loading.
///
/// kabigate computes the exported symbols, modversion CRCs and types of every commit without compiling the kernel,
/// compares them with a stored baseline, and names the definition that changed with file and line.
#[derive(Debug, Parser)]
#[command(name = "kabigate", version, after_help = EXAMPLES, max_term_width = 110)]
struct Arguments {
    /// When to colour the output; `auto` honours NO_COLOR, CLICOLOR and CLICOLOR_FORCE
    #[arg(
        long,
        value_name = "WHEN",
        default_value_t = ColorChoice::Auto,
        global = true,
        help_heading = DISPLAY
    )]
    color: ColorChoice,
    /// Print only the verdict line, and no progress
    #[arg(short, long, global = true, help_heading = DISPLAY)]
    quiet: bool,
    /// Print also what each phase cost and every message of the parser
    #[arg(short, long, global = true, help_heading = DISPLAY)]
    verbose: bool,
    /// Never show long text through a pager (KABIGATE_PAGER, PAGER, or less)
    #[arg(long, global = true, help_heading = DISPLAY)]
    no_pager: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a range of commits or a patch series against a baseline
    Check(Box<check::Check>),
    /// Cut a check into jobs of CI
    Plan(plan::PlanCommand),
    /// Join the parts of a check to its report
    Merge(merge::Merge),
    /// Compare two kernels: symvers files, baselines, headers packages
    Diff(diff::Diff),
    /// Compute the Module.symvers of a tree without compiling it
    Symvers(symvers::SymversCommand),
    /// Record, show, verify or replace a baseline
    #[command(subcommand)]
    Baseline(baseline::BaselineCommand),
    /// Keep the database of third-party modules and ask it
    #[command(subcommand)]
    Modules(modules::ModulesCommand),
    /// Work on protected lists, rules and approvals
    #[command(subcommand)]
    Lists(lists::ListsCommand),
    /// Judge built modules against candidate kernels, as the kernel's module loader would
    Validate(validate::Validate),
    /// Count, check, shorten or move the folder of unit results
    #[command(subcommand)]
    Cache(cache::CacheCommand),
    /// Say whether everything is here to check a tree, and how to install what is missing
    Doctor(Box<doctor::Doctor>),
    /// Say what a class of change means, or which definitions changed behind a symbol
    Explain(explain::Explain),
    /// Render a stored report.json again
    Report(report::ReportCommand),
    /// Print the JSON Schema of the report
    Schema(schema::SchemaCommand),
    /// Print a man page, or write all of them into a folder
    Man(help::ManCommand),
    /// Print the completions of a shell
    Completions(help::CompletionsCommand),
    #[command(hide = true)]
    Sandboxed(sandbox::Sandboxed),
}

/// How a command ends without an error: the exit code of what it found.
pub(crate) type Outcome = Result<u8, Reason>;

/// Settings of every command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    /// Colours of standard output and standard error.
    pub(crate) style: Style,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    /// Whether long text may go through a pager.
    pub(crate) paged: bool,
}

/// Runs the program with the arguments it was started with.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = probe::stand_in() {
        return code;
    }
    if schema::asks_for_versions(std::env::args_os().skip(1)) {
        schema::print_versions();
        return ExitCode::SUCCESS;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // A closed pipe is no reason to fail differently.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    if let Command::Sandboxed(command) = arguments.command {
        // It becomes another program: no handler of signals, and no thread, may stand in its way.
        return command.run();
    }
    if matches!(arguments.command, Command::Diff(_)) {
        // The commands that compute work in threads, whose heaps the C library asks for in small pages only.
        heap::with_huge_pages();
    }
    let context = Context {
        style: Style::new(arguments.color),
        quiet: arguments.quiet,
        verbose: arguments.verbose,
        paged: !arguments.no_pager,
    };
    interrupt::listen(&context);
    let outcome = match arguments.command {
        Command::Check(command) => command.run(&context),
        Command::Plan(command) => command.run(&context),
        Command::Merge(command) => command.run(&context),
        Command::Diff(command) => command.run(&context),
        Command::Symvers(command) => command.run(&context),
        Command::Baseline(command) => command.run(&context),
        Command::Modules(command) => command.run(&context),
        Command::Lists(command) => command.run(&context),
        Command::Validate(command) => command.run(&context),
        Command::Cache(command) => command.run(&context),
        Command::Doctor(command) => command.run(&context),
        Command::Explain(command) => command.run(&context),
        Command::Report(command) => command.run(&context),
        Command::Schema(command) => command.run(&context),
        Command::Man(command) => command.run(&context),
        Command::Completions(command) => command.run(&context),
        Command::Sandboxed(command) => return command.run(),
    };
    match interrupt::judge(outcome) {
        Ok(code) => ExitCode::from(code),
        Err(reason) => {
            error(&context, &reason);
            ExitCode::from(reason.code.exit_code())
        }
    }
}

/// Leaves a value to the end of the process, which is near: to free the tables of two kernels piece by piece takes as long
/// as to compare them.
pub(crate) fn leave<T>(value: T) {
    std::mem::forget(value);
}

/// A reason without commit or file.
pub(crate) fn reason(code: ReasonCode, message: impl ToString, next_step: &str) -> Reason {
    Reason {
        code,
        message: message.to_string(),
        next_step: (!next_step.is_empty()).then(|| next_step.to_owned()),
        commit: None,
        file: None,
        line: None,
        expected: None,
        found: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// The definition of the command line holds together.
    #[test]
    fn definition_is_sound() {
        Arguments::command().debug_assert();
    }
}
