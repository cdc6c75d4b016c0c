//! Our genksyms against the kernel's own, on the preprocessed units of real kernels.
//!
//! `KABIGATE_TEST_UNITS` says how many units of each kernel are compared (0 stands for all); they are spread evenly
//! over the plan.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use std::process::{Command, Stdio};

use kabigate::cpp::{CppError, ExportOverlay, Gcc, GccLimits, TextTokens};
use kabigate::genksyms::{Profile, analyse};
use kabigate::kbuild::{ConfigBase, ConfigSource, ConfigText, Language, ObjectTree, Unit};
use rayon::prelude::*;
use support::units::Kernel;

/// Units of each kernel that are compared where nothing else is said.
const UNITS: usize = 160;

/// CRCs, `-T` dumps and messages equal those of the kernel's own genksyms, and the text we give it is that of a plain
/// `gcc -E -D__GENKSYMS__`.
#[test]
fn genksyms_of_6_1_agrees_on_every_unit() {
    compare_kernel("linux-6.1");
}

/// The same for a 6.12 kernel.
#[test]
fn genksyms_of_6_12_agrees_on_every_unit() {
    compare_kernel("linux-6.12");
}

fn compare_kernel(name: &str) {
    let src = support::kernel(name);
    let work = tempfile::tempdir_in(support::target()).unwrap();
    let fragment = ConfigText {
        bytes: b"CONFIG_MODVERSIONS=y\n".to_vec(),
        label: "modversions".to_owned(),
    };
    let config = ConfigSource {
        base: ConfigBase::Defconfig("x86_64_defconfig".to_owned()),
        fragments: vec![fragment],
    };
    let kernel = Kernel::prepare(&src, &work.path().join("obj"), &config);
    let overlay = ExportOverlay::create(&src, &work.path().join("overlay")).unwrap();
    let ours = Gcc::new(
        kernel.tree.environment(),
        Some(overlay),
        GccLimits::default(),
    );
    let plain = Gcc::new(kernel.tree.environment(), None, GccLimits::default());
    let units: Vec<Unit> = kernel
        .candidates()
        .into_iter()
        .filter(|unit| unit.language == Language::C && !unit.generated)
        .collect();
    let units = support::units::spread(units, UNITS);
    let compare = |unit: &Unit| compare_unit(unit, &kernel.tree, &ours, &plain, kernel.profile);
    let mut results: Vec<Result<usize, Failure>> = units.par_iter().map(compare).collect();
    // Headers that only a rule of the object makes.
    let open: Vec<usize> = (0..units.len())
        .filter(|&at| matches!(results[at], Err(Failure::Missing(_))))
        .collect();
    let objects: Vec<&str> = open.iter().map(|&at| units[at].object.as_str()).collect();
    kernel.tree.make_objects(&objects).unwrap();
    for at in open {
        results[at] = compare(&units[at]);
    }
    let failures: Vec<&Failure> = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} units differ:\n{failures:#?}",
        failures.len(),
        units.len()
    );
    let exports: usize = results.iter().flatten().sum();
    assert!(
        units.len() >= 100 && exports >= 500,
        "only {} units with {exports} exports",
        units.len()
    );
    println!(
        "{name}: {} units, {exports} exports identical to the kernel's genksyms",
        units.len()
    );
}

#[derive(Debug)]
enum Failure {
    /// A file does not exist before the unit's object is made.
    Missing(#[allow(dead_code, reason = "shown when the test fails")] String),
    Differs(#[allow(dead_code, reason = "shown when the test fails")] String),
}

fn compare_unit(
    unit: &Unit,
    tree: &ObjectTree,
    ours: &Gcc,
    plain: &Gcc,
    profile: Profile,
) -> Result<usize, Failure> {
    let fail = |what: &str| Failure::Differs(format!("{}: {what}", unit.object));
    let preprocessed = match ours.preprocess(&unit.call) {
        Ok(preprocessed) => preprocessed,
        Err(
            error @ CppError::Failed {
                missing: Some(_), ..
            },
        ) => {
            return Err(Failure::Missing(format!("{}: {error}", unit.object)));
        }
        Err(error) => return Err(fail(&error.to_string())),
    };
    let text = plain
        .preprocess(&unit.call)
        .map_err(|error| fail(&error.to_string()))?
        .text;
    if text != preprocessed.text {
        return Err(fail("the text differs from a plain gcc -E"));
    }
    let symbols = analyse(&mut TextTokens::new(&preprocessed.text), &profile);
    let dump = tempfile::NamedTempFile::new().map_err(|error| fail(&error.to_string()))?;
    let mut oracle = Command::new(tree.obj().join("scripts/genksyms/genksyms"))
        .arg("-w")
        .arg("-T")
        .arg(dump.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| fail(&error.to_string()))?;
    let mut stdin = oracle.stdin.take().unwrap();
    std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &text));
    let output = oracle
        .wait_with_output()
        .map_err(|error| fail(&error.to_string()))?;
    let mut written = (Vec::new(), Vec::new(), Vec::new());
    symbols.write_symvers(&mut written.0).unwrap();
    symbols.write_symtypes(&mut written.1).unwrap();
    symbols.write_diagnostics(&mut written.2).unwrap();
    for (what, ours, theirs) in [
        ("CRCs", &written.0, &output.stdout),
        ("-T dump", &written.1, &std::fs::read(dump.path()).unwrap()),
        ("messages", &written.2, &output.stderr),
    ] {
        if ours != theirs {
            return Err(fail(&format!("{what} differ")));
        }
    }
    Ok(symbols.exports.len())
}
