//! `--output FORMAT[:PATH]`: one run, many renderings.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::stdout::{note, print};
use super::{Context, reason};
use crate::report::{
    self, Format, Options, Output, Reason, ReasonCode, Report, Validation, check_outputs,
};

/// Which renderings are written, and where to.
#[derive(Args, Debug)]
pub(crate) struct Outputs {
    /// Write a rendering to a file or to standard output; repeatable. Formats: console, json, junit (as Jenkins reads
    /// it), gitlab (JUnit with files), markdown, github, sarif, codequality, html, symbols, mod-symbols,
    /// short [default: console]
    #[arg(short, long = "output", value_name = "FORMAT[:PATH]")]
    outputs: Vec<Output>,
    /// Path of the kernel tree in the repository that annotations and SARIF results point into
    #[arg(
        long,
        value_name = "DIR",
        default_value = "",
        hide_default_value = true
    )]
    annotation_root: String,
    /// Most GitHub annotations
    #[arg(long, value_name = "N", default_value_t = 10)]
    annotations: usize,
}

impl Outputs {
    /// Refuses outputs that would overwrite each other, before any work is done.
    pub(crate) fn check(&self) -> Result<(), Reason> {
        check_outputs(&self.outputs).map_err(|error| reason(ReasonCode::Usage, error, ""))
    }

    /// Writes all renderings and hands back the report's exit code.
    pub(crate) fn write(&self, context: &Context, report: &Report) -> Result<u8, Reason> {
        self.write_each(context, |format, color| {
            let options = Options {
                color,
                annotations: self.annotations,
                tree: self.annotation_root.clone(),
                full: full_report(&self.outputs),
                ..Options::default()
            };
            report::render(report, format, &options)
        })?;
        Ok(report.exit_code)
    }
}

impl Outputs {
    /// As [`Outputs::check`], and refuses formats that hold no validation.
    pub(crate) fn check_validation(&self) -> Result<(), Reason> {
        self.check()?;
        let holds = |format| {
            matches!(
                format,
                Format::Console | Format::Json | Format::Junit | Format::Markdown
            )
        };
        match self.outputs.iter().find(|output| !holds(output.format)) {
            None => Ok(()),
            Some(_) => Err(reason(
                ReasonCode::Usage,
                "this output format holds no validation of modules",
                "use console, json, junit or markdown",
            )),
        }
    }

    /// Writes all renderings of a validation and hands back its exit code.
    pub(crate) fn write_validation(
        &self,
        context: &Context,
        validation: &Validation,
    ) -> Result<u8, Reason> {
        self.write_each(context, |format, color| {
            let budget = Options::default().markdown_budget;
            report::validation::render(validation, format, color, budget).unwrap_or_default()
        })?;
        Ok(validation.exit_code)
    }

    /// Writes what `render` gives for each output, with colours or without.
    fn write_each(
        &self,
        context: &Context,
        render: impl Fn(Format, bool) -> String,
    ) -> Result<(), Reason> {
        let default = [Output {
            format: Format::Console,
            path: None,
        }];
        let outputs = if self.outputs.is_empty() {
            &default[..]
        } else {
            &self.outputs
        };
        for output in outputs {
            let color = output.path.is_none() && context.style.out;
            let mut text = render(output.format, color);
            match &output.path {
                Some(path) => write_whole(path, text.as_bytes())?,
                None => {
                    if context.quiet && output.format == Format::Console {
                        text = text
                            .lines()
                            .next()
                            .map(|line| format!("{line}\n"))
                            .unwrap_or_default();
                    }
                    print(&text);
                }
            }
        }
        for path in outputs.iter().filter_map(|output| output.path.as_ref()) {
            note(context, &format!("wrote {}", path.display()));
        }
        Ok(())
    }
}

/// How renderings that leave something out call the complete report: by its file name, since its folder is that of this
/// machine.
fn full_report(outputs: &[Output]) -> String {
    let json = outputs
        .iter()
        .filter(|output| output.format == Format::Json);
    let names = json.filter_map(|output| output.path.as_ref()?.file_name());
    match names.map(|name| name.to_string_lossy()).next() {
        Some(name) => name.into_owned(),
        None => "the JSON report (--output json:FILE)".to_owned(),
    }
}

/// Writes a file whole or not at all; its folder is made if it does not exist.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Reason> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        if path.exists() && !path.is_file() {
            // A device or pipe such as /dev/stdout cannot be replaced, only written to.
            return std::fs::write(path, bytes);
        }
        let mut file = tempfile::Builder::new()
            .prefix(".kabigate-")
            .tempfile_in(&folder)?;
        file.write_all(bytes)?;
        readable_by_all(file.as_file())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| {
        reason(
            ReasonCode::InputInvalid,
            format!("cannot write {}: {error}", path.display()),
            "name another path",
        )
    })
}

/// Temporary files are private to their owner; what people asked for is an ordinary file.
fn readable_by_all(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}
