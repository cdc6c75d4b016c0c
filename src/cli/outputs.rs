//! `--output FORMAT[:PATH]`: one run, many renderings.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::stdout::{note, page, print};
use super::{Context, next, reason};
use crate::check::{Part, or_full_disk};
use crate::report::{
    self, Format, Options, Output, Reason, ReasonCode, Report, ReportSet, Validation,
    check_outputs, set,
};

/// Which renderings are written, and where to.
#[derive(Args, Debug)]
pub(crate) struct Outputs {
    /// Write a rendering to a file or to standard output; repeatable. Formats: console, json, junit (as Jenkins reads
    /// it), gitlab (JUnit with files), markdown, github, sarif, codequality, html, symbols, mod-symbols, short.
    /// `{target}` in PATH makes a file for each target [default: console]
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

    /// Writes all renderings, says what to run next, and hands back the report's exit code.
    pub(crate) fn write(&self, context: &Context, report: &Report) -> Result<u8, Reason> {
        let code = self.write_again(context, report)?;
        next::tell(context, report, &self.outputs);
        Ok(code)
    }

    /// As [`Outputs::write`], for a report whose run said what to run next.
    pub(crate) fn write_again(&self, context: &Context, report: &Report) -> Result<u8, Reason> {
        let outputs = filled(&self.outputs, TARGET, set::name(report));
        self.write_these(context, &outputs, |format, color| {
            report::render(report, format, &self.options(color))
        })?;
        Ok(report.exit_code)
    }

    fn options(&self, color: bool) -> Options {
        Options {
            color,
            annotations: self.annotations,
            tree: self.annotation_root.clone(),
            full: full_report(&self.outputs),
            ..Options::default()
        }
    }

    /// Refuses outputs that cannot hold several targets, before any of them is checked.
    pub(crate) fn check_set(&self) -> Result<(), Reason> {
        let mut whole = self.outputs.iter().filter(|output| !names(output, TARGET));
        match whole.find(|output| !set::holds(output.format)) {
            None => Ok(()),
            Some(output) => Err(reason(
                ReasonCode::Usage,
                format!(
                    "one output of format {} cannot hold several targets",
                    output.format
                ),
                "write `{target}` into its path, or check one target: --target NAME",
            )),
        }
    }

    /// Writes all renderings of several targets: one file each where the path names the target, else one for all. Hands
    /// back the exit code of the worst.
    pub(crate) fn write_set(&self, context: &Context, set: &ReportSet) -> Result<u8, Reason> {
        self.check_set()?;
        let (each, whole): (Vec<Output>, Vec<Output>) = self
            .outputs
            .iter()
            .cloned()
            .partition(|output| names(output, TARGET));
        for report in &set.reports {
            let outputs = filled(&each, TARGET, set::name(report));
            if !outputs.is_empty() {
                self.write_these(context, &outputs, |format, color| {
                    report::render(report, format, &self.options(color))
                })?;
            }
        }
        if !whole.is_empty() || each.is_empty() {
            self.write_these(context, &whole, |format, color| {
                set::render(set, format, &self.options(color)).unwrap_or_default()
            })?;
        }
        Ok(set.exit_code)
    }

    /// As [`Outputs::check`], for a part of a run: it is JSON and a few lines, and nothing else can be told of it.
    pub(crate) fn check_part(&self) -> Result<(), Reason> {
        let formats = || self.outputs.iter().map(|output| output.format);
        let other = formats().find(|format| !matches!(format, Format::Json | Format::Console));
        if other.is_none() && formats().any(|format| format == Format::Json) {
            return Ok(());
        }
        Err(reason(
            ReasonCode::Usage,
            "a part of a run is written as JSON: nothing is decided before the parts are joined",
            "pass --output json:FILE with --shard, and the other outputs to `kabigate merge`",
        ))
    }

    /// Writes a part of a run. That it was computed is all that its exit code says.
    pub(crate) fn write_part(&self, context: &Context, part: &Part) -> Result<u8, Reason> {
        let text = part_text(part);
        if self
            .outputs
            .iter()
            .all(|output| output.format != Format::Console)
        {
            text.lines().for_each(|line| note(context, line));
        }
        let target = part.run.target.as_deref().unwrap_or("default");
        let shard = format!("{}-of-{}", part.shard.index, part.shard.count);
        let outputs = filled(&filled(&self.outputs, TARGET, target), SHARD, &shard);
        self.write_these(context, &outputs, |format, _| match format {
            Format::Json => part.to_json(),
            _ => text.clone(),
        })?;
        Ok(0)
    }
}

/// What stands in a path for the name of the target.
const TARGET: &str = "{target}";
/// What stands in a path for the number of the part.
const SHARD: &str = "{shard}";

fn names(output: &Output, placeholder: &str) -> bool {
    let path = output.path.as_ref().and_then(|path| path.to_str());
    path.is_some_and(|path| path.contains(placeholder))
}

/// The outputs with a name in their paths.
fn filled(outputs: &[Output], placeholder: &str, name: &str) -> Vec<Output> {
    // A baseline's name is that of a folder; it must not lead to another one.
    let name = name.replace('/', "_");
    let fill = |output: &Output| match output.path.as_ref().and_then(|path| path.to_str()) {
        Some(path) => Output {
            format: output.format,
            path: Some(path.replace(placeholder, &name).into()),
        },
        None => output.clone(),
    };
    outputs.iter().map(fill).collect()
}

/// What a part says of itself.
fn part_text(part: &Part) -> String {
    let (shard, run) = (part.shard, &part.run);
    let slice = shard.slice(run.commits);
    let commits = match slice.len() {
        0 => "no commit of its own".to_owned(),
        1 => format!("commit {} of {}", slice.end, run.commits),
        _ => format!(
            "commits {} to {} of {}",
            slice.start + 1,
            slice.end,
            run.commits
        ),
    };
    let target = run
        .target
        .as_ref()
        .map(|target| format!(" of target {target}"));
    let mut text = format!(
        "PART {shard}{}  {commits} computed; whether they pass is not decided\n",
        target.unwrap_or_default()
    );
    for reason in part.piece.reasons() {
        let code = report::escape::terminal(&reason.message);
        text.push_str(&format!(
            "  could not be computed: {}\n",
            code.lines().next().unwrap_or_default()
        ));
    }
    text.push_str(&format!(
        "  next: join all {} parts: kabigate merge PART...\n",
        shard.count
    ));
    text
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
        self.write_these(context, &self.outputs, |format, color| {
            let budget = Options::default().markdown_budget;
            report::validation::render(validation, format, color, budget).unwrap_or_default()
        })?;
        Ok(validation.exit_code)
    }

    /// Writes what `render` gives for each output, with colours or without.
    fn write_these(
        &self,
        context: &Context,
        outputs: &[Output],
        render: impl Fn(Format, bool) -> String,
    ) -> Result<(), Reason> {
        let default = [Output {
            format: Format::Console,
            path: None,
        }];
        let outputs = if outputs.is_empty() {
            &default[..]
        } else {
            outputs
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
                    // What programs read never goes through a pager.
                    if output.format == Format::Console {
                        page(context, &text);
                    } else {
                        print(&text);
                    }
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
    let name = path_of(outputs, Format::Json).and_then(Path::file_name);
    match name.map(|name| name.to_string_lossy()) {
        Some(name) => name.into_owned(),
        None => "the JSON report (--output json:FILE)".to_owned(),
    }
}

/// The first file that a format is written to.
pub(super) fn path_of(outputs: &[Output], format: Format) -> Option<&Path> {
    let mut those = outputs.iter().filter(|output| output.format == format);
    those.find_map(|output| output.path.as_deref())
}

/// Writes a file whole or not at all; its folder is made if it does not exist.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Reason> {
    write_stream(path, |mut out| out.write_all(bytes))
}

/// As [`write_whole`], for a content that is not held in memory.
pub(crate) fn write_stream(
    path: &Path,
    fill: impl FnOnce(&std::fs::File) -> std::io::Result<()>,
) -> Result<(), Reason> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        if path.exists() && !path.is_file() {
            // A device or pipe such as /dev/stdout cannot be replaced, only written to.
            let file = std::fs::File::options().write(true).open(path)?;
            return fill(&file);
        }
        let file = tempfile::Builder::new()
            .prefix(".kabigate-")
            .tempfile_in(&folder)?;
        fill(file.as_file())?;
        readable_by_all(file.as_file())?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|error| {
        or_full_disk(reason(
            ReasonCode::InputInvalid,
            format!("cannot write {}: {error}", path.display()),
            "name another path",
        ))
    })
}

/// Temporary files are private to their owner; what people asked for is an ordinary file.
fn readable_by_all(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}
