//! `kabigate modules deps`: dependency tokens of kernels and packages.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::stdout::print;
use super::super::{Context, Outcome, protect, reason};
use crate::baseline::Candidate;
use crate::check::candidate_reason;
use crate::modules::{
    Kernel, Module, Scan, Style, Token, kernel_provides, kernel_sets, module_provides,
    module_requires, release, undeclared,
};
use crate::report::{Reason, ReasonCode, escape};

const EXAMPLES: &str = "\
Examples:
  kabigate modules deps --against /lib/modules/6.1.0-50-amd64 --style suse --flavor default
  kabigate modules deps acme.ko --against linux-headers-6.1.0-50-amd64.deb
  kabigate modules deps kmod-acme.rpm --check

Exit codes:
  0  done; with --check, all that the modules import is required
  1  with --check, a package does not require what its modules import
  2  wrong usage, or an input that cannot be read
  3  what is needed to tell is not known";

/// Print the dependency tokens of a kernel or of modules, or compare a package's with what its modules import
///
/// Without PATH: what the kernel's package provides. With PATH: what a package with these modules provides and
/// requires. With --check: exit 1 if a package does not require what its modules import.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Deps {
    /// Modules, packages, tar archives or folders of these
    #[arg(value_name = "PATH", required_unless_present = "against")]
    paths: Vec<PathBuf>,
    /// Kernel that the modules were built for, or whose own tokens are printed
    #[arg(long, value_name = "CANDIDATE")]
    against: Option<PathBuf>,
    /// Whose grammar
    #[arg(long, value_enum, default_value_t = StyleArgument::Redhat)]
    style: StyleArgument,
    /// Flavor of the kernel in SUSE's grammar [default: behind the last dash of the modules' release]
    #[arg(long, value_name = "FLAVOR")]
    flavor: Option<String>,
    /// Print the hashes of whole sets of symbols too, as SUSE's kernels had until 2017
    #[arg(long)]
    sets: bool,
    /// Compare what each package requires with what its modules import
    #[arg(long, requires = "paths")]
    check: bool,
}

/// `--style`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StyleArgument {
    /// `kernel(SYMBOL) = 0xCRC` and `ksym(SYMBOL) = 0xCRC`
    Redhat,
    /// `ksym(FLAVOR:SYMBOL) = CRC`
    Suse,
}

impl Deps {
    pub(crate) fn run(&self, _context: &Context) -> Outcome {
        let candidate = match &self.against {
            Some(path) => {
                let loaded = Candidate::load(path, None);
                Some(loaded.map_err(|error| candidate_reason(&error))?)
            }
            None => None,
        };
        if self.paths.is_empty() {
            return match candidate {
                Some(candidate) => self.kernel(&candidate),
                None => Ok(0),
            };
        }
        let scan = protect::scan_modules(&self.paths)?;
        if self.check {
            return check(&scan);
        }
        let modules: Vec<&Module> = scan.modules.iter().map(|found| &found.module).collect();
        if candidate.is_none() && self.style == StyleArgument::Redhat {
            return Err(reason(
                ReasonCode::Usage,
                "without the kernel that the modules were built for, kernel() and ksym() cannot be told apart",
                "name it: --against CANDIDATE, or use --style suse",
            ));
        }
        let kernel = candidate
            .as_ref()
            .map(|candidate| Kernel::of(&candidate.symvers));
        let (style, flavor) = (self.style(), self.flavor(&modules)?);
        let mut text = String::new();
        for (word, tokens) in [
            ("Provides", module_provides(&modules, style, &flavor)),
            (
                "Requires",
                module_requires(&modules, kernel.as_ref(), style, &flavor),
            ),
        ] {
            lines(&mut text, word, &tokens);
        }
        print(&text);
        Ok(0)
    }

    fn kernel(&self, candidate: &Candidate) -> Outcome {
        let flavor = self.flavor(&[])?;
        let mut text = String::new();
        let tokens = kernel_provides(&candidate.symvers, self.style(), &flavor);
        lines(&mut text, "Provides", &tokens);
        if self.sets {
            lines(
                &mut text,
                "Provides",
                &kernel_sets(&candidate.symvers, &flavor),
            );
        }
        print(&text);
        Ok(0)
    }

    fn style(&self) -> Style {
        match self.style {
            StyleArgument::Redhat => Style::RedHat,
            StyleArgument::Suse => Style::Suse,
        }
    }

    /// The flavor that was named, or that of the modules' release; Red Hat's grammar needs none.
    fn flavor(&self, modules: &[&Module]) -> Result<String, Reason> {
        if let Some(flavor) = &self.flavor {
            return Ok(flavor.clone());
        }
        if self.style == StyleArgument::Redhat && !self.sets {
            return Ok(String::new());
        }
        let magic = modules.iter().find_map(|module| module.vermagic.as_deref());
        let flavor = magic.and_then(|magic| release(magic).rsplit_once('-'));
        flavor.map(|(_, flavor)| flavor.to_owned()).ok_or_else(|| {
            reason(
                ReasonCode::Usage,
                "the flavor of the kernel is not known",
                "pass it: --flavor default",
            )
        })
    }
}

fn lines(text: &mut String, word: &str, tokens: &[Token]) {
    for token in tokens {
        let _ = writeln!(text, "{word}: {}", escape::terminal(&token.to_string()));
    }
}

/// Exit 1 if a package lacks a requirement or has another CRC; what no module imports is only told.
fn check(scan: &Scan) -> Outcome {
    if scan.packages.is_empty() {
        return Err(reason(
            ReasonCode::InputInvalid,
            "no package among the paths, so nothing declares what is required",
            "name .rpm or .deb packages",
        ));
    }
    let mut text = String::new();
    let (mut differs, mut open) = (false, false);
    for (index, package) in scan.packages.iter().enumerate() {
        let held = scan
            .modules
            .iter()
            .filter(|found| found.package == Some(index));
        let modules: Vec<&Module> = held.map(|found| &found.module).collect();
        let found = undeclared(package, &modules);
        let name = escape::terminal(&format!("{} {}", package.name, package.version));
        let unread = modules
            .iter()
            .any(|module| module.origin == crate::modules::Origin::Package);
        if unread {
            open = true;
            let _ = writeln!(text, "{name}: not checked, its modules cannot be read");
            continue;
        }
        let modules = modules.len();
        let word = if found.is_empty() {
            "agrees"
        } else {
            "differs"
        };
        let _ = writeln!(text, "{name}: {word}, {modules} modules");
        for (symbol, crc) in &found.missing {
            let _ = writeln!(text, "  not required: {} = {crc}", escape::terminal(symbol));
        }
        for (symbol, declared, imported) in &found.differing {
            let symbol = escape::terminal(symbol);
            let _ = writeln!(
                text,
                "  required with {declared}, imported with {imported}: {symbol}"
            );
        }
        for symbol in &found.unused {
            let _ = writeln!(
                text,
                "  required and not imported: {}",
                escape::terminal(symbol)
            );
        }
        for set in &found.sets {
            let _ = writeln!(
                text,
                "  requires the set {}, which is not looked into",
                escape::terminal(set)
            );
        }
        differs |= !found.missing.is_empty() || !found.differing.is_empty();
    }
    print(&text);
    Ok(match (open, differs) {
        (true, _) => 3,
        (false, true) => 1,
        (false, false) => 0,
    })
}
