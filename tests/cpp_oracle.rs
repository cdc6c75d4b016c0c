//! Our preprocessor against the compiler's own, on units of real kernels.
//!
//! `KABIGATE_TEST_UNITS` says how many units of each kernel are compared (0 stands for all). They are drawn evenly over the
//! plan and read in a fixed but mixed order, so that what one unit leaves behind for the next is compared too.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Mutex;

use kabigate::cpp::{
    Builtin, ExportOverlay, Gcc, GccLimits, Input, Preprocessor, Read, Session, TextTokens, Token,
    TokenClass, TokenSource,
};
use kabigate::genksyms::{Profile, UnitSymbols, analyse};
use kabigate::kbuild::{ConfigBase, ConfigSource, ConfigText, Language, Unit};
use rayon::prelude::*;
use support::units::Kernel;

/// Units of each kernel that are compared where nothing else is said.
const UNITS: usize = 150;
/// Of how many units one is also compared with nothing skipped.
const WHOLE: usize = 8;

/// Tokens as genksyms takes them, places, files read and export sites equal those of `gcc -E` on units of 6.1.
#[test]
fn units_of_6_1_read_as_the_compiler_reads_them() {
    compare_kernel("linux-6.1");
}

/// The same for a 6.12 kernel.
#[test]
fn units_of_6_12_read_as_the_compiler_reads_them() {
    compare_kernel("linux-6.12");
}

/// What a reader saw: a token, or the end of a body that it skipped; and the place where the source stood then.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    token: Option<(TokenClass, Vec<u8>)>,
    skipped: Option<bool>,
    file: Vec<u8>,
    line: u32,
    in_source_file: bool,
}

/// A source that takes notes.
struct Noted<'s, 'a> {
    source: &'s mut dyn TokenSource<'a>,
    seen: Vec<Seen>,
}

impl Noted<'_, '_> {
    fn note(&mut self, token: Option<Token<'_>>, skipped: Option<bool>) {
        self.seen.push(Seen {
            token: token.map(|token| (token.class, token.text.to_vec())),
            skipped,
            file: self.source.file().to_vec(),
            line: self.source.line(),
            in_source_file: self.source.in_source_file(),
        });
    }
}

impl<'a> TokenSource<'a> for Noted<'_, 'a> {
    fn next_token(&mut self) -> Option<Token<'a>> {
        let token = self.source.next_token();
        self.note(token, None);
        token
    }
    fn skip_braced(&mut self) -> bool {
        let found = self.source.skip_braced();
        self.note(None, Some(found));
        found
    }
    fn rest(&mut self) {
        self.source.rest();
    }
    fn file(&self) -> &'a [u8] {
        self.source.file()
    }
    fn line(&self) -> u32 {
        self.source.line()
    }
    fn in_source_file(&self) -> bool {
        self.source.in_source_file()
    }
}

/// What a reader makes of a source.
type Reader = fn(&mut Noted<'_, '_>, &Profile) -> UnitSymbols;

/// Reads as genksyms does, which skips bodies.
fn as_genksyms(source: &mut Noted<'_, '_>, profile: &Profile) -> UnitSymbols {
    analyse(source, profile)
}

/// Reads every token.
fn whole(source: &mut Noted<'_, '_>, _: &Profile) -> UnitSymbols {
    while source.next_token().is_some() {}
    UnitSymbols::default()
}

fn seen(
    source: &mut dyn TokenSource<'_>,
    profile: &Profile,
    reader: Reader,
) -> (Vec<Seen>, UnitSymbols) {
    let mut noted = Noted {
        source,
        seen: Vec::new(),
    };
    let symbols = reader(&mut noted, profile);
    (noted.seen, symbols)
}

fn compare_kernel(name: &str) {
    let src = support::kernel(name);
    let work = tempfile::tempdir_in(support::target()).unwrap();
    let config = ConfigSource {
        base: ConfigBase::Defconfig("x86_64_defconfig".to_owned()),
        fragments: vec![ConfigText {
            bytes: b"CONFIG_MODVERSIONS=y\n".to_vec(),
            label: "modversions".to_owned(),
        }],
    };
    let kernel = Kernel::prepare(&src, &work.path().join("obj"), &config);
    let overlay = ExportOverlay::create(&src, &work.path().join("overlay")).unwrap();
    let environment = kernel.tree.environment();
    let gcc = Gcc::new(
        environment.clone(),
        Some(overlay.clone()),
        GccLimits::default(),
    );
    let roots = [kernel.tree.src(), kernel.tree.obj()];
    let builtin = Builtin::new(environment, Some(overlay), gcc.clone(), &roots).unwrap();
    let mut units: Vec<Unit> = kernel
        .candidates()
        .into_iter()
        .filter(|unit| unit.language == Language::C && !unit.generated)
        .collect();
    units = support::units::spread(units, UNITS);
    // A fixed permutation: multiples of a prime.
    let count = units.len();
    let order: Vec<usize> = (0..count).map(|at| at * 7919 % count).collect();
    let distinct: BTreeSet<usize> = order.iter().copied().collect();
    assert_eq!(distinct.len(), count, "7919 divides the number of units");
    let session = builtin.session();
    let differences = Mutex::new(Vec::new());
    let exports: usize = order
        .par_iter()
        .map(|&at| {
            let unit = &units[at];
            let result = compare(unit, &session, &gcc, &kernel.profile, at % WHOLE == 0);
            result.unwrap_or_else(|what| {
                differences
                    .lock()
                    .unwrap()
                    .push(format!("{}: {what}", unit.object));
                0
            })
        })
        .sum();
    let differences = differences.into_inner().unwrap();
    assert!(
        differences.is_empty(),
        "{} of {count} units differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
    assert!(
        count >= 100 && exports >= 500,
        "only {count} units with {exports} exports"
    );
    assert_eq!(builtin.refusals(), [], "units that went to the compiler");
    let work = builtin.work();
    assert!(work.replayed > work.read, "headers are replayed: {work:?}");
    println!("{name}: {count} units, {exports} exports read as by the compiler, {work:?}");
}

/// How many exports a unit has, if both agree on it.
fn compare(
    unit: &Unit,
    session: &Session<'_>,
    gcc: &Gcc,
    profile: &Profile,
    wholly: bool,
) -> Result<usize, String> {
    let theirs = gcc.preprocess(&unit.call);
    let mut exports = 0;
    let readers: [Reader; 2] = [as_genksyms, whole];
    for reader in readers.into_iter().take(1 + usize::from(wholly)) {
        let mut ours = (Vec::new(), UnitSymbols::default());
        let read: Result<Read, _> = session.read(&unit.call, Input::Source, &mut |source| {
            ours = seen(source, profile, reader);
        });
        let (read, theirs) = match (read, &theirs) {
            (Ok(read), Ok(theirs)) => (read, theirs),
            // Headers that only a rule of the object makes are missing for both.
            (Err(_), Err(_)) => return Ok(0),
            (Err(error), Ok(_)) => return Err(format!("only we fail: {error}")),
            (Ok(_), Err(error)) => return Err(format!("only the compiler fails: {error}")),
        };
        let expected = seen(&mut TextTokens::new(&theirs.text), profile, reader);
        if let Some(at) =
            (0..ours.0.len().max(expected.0.len())).find(|&at| ours.0.get(at) != expected.0.get(at))
        {
            return Err(format!(
                "token {at} is {:?}, by the compiler {:?}",
                ours.0.get(at),
                expected.0.get(at)
            ));
        }
        if ours.1 != expected.1 {
            return Err("what genksyms makes of it differs".to_owned());
        }
        let files: BTreeSet<_> = read.dependencies.iter().collect();
        let expected: BTreeSet<_> = theirs.dependencies.iter().collect();
        if files != expected {
            let difference: Vec<_> = files.symmetric_difference(&expected).collect();
            return Err(format!("only one of both read {difference:?}"));
        }
        if read.exports != theirs.exports {
            return Err(format!(
                "exports {:?}, by the compiler {:?}",
                read.exports, theirs.exports
            ));
        }
        exports = read.exports.len();
    }
    Ok(exports)
}
