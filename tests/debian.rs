//! Units of a distribution kernel against the Module.symvers that the distribution published with it.
//!
//! `KABIGATE_TEST_UNITS` says how many units are compared (0 stands for all); they are spread evenly over the plan.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use kabigate::cpp::{CppError, ExportOverlay, ExportSite, Gcc, GccLimits, TextTokens};
use kabigate::genksyms::analyse;
use kabigate::kbuild::{ConfigBase, ConfigSource, Language, Unit, read_config};
use kabigate::symvers::{Crc, Symvers};
use rayon::prelude::*;
use support::units::Kernel;

/// Units that are compared where nothing else is said.
const UNITS: usize = 420;

/// CRC, module, export class and namespace of every export of the units equal the published line.
#[test]
fn units_of_debian_amd64_equal_the_published_symvers() {
    let headers = support::kernel("headers-6.1").join("usr/src/linux-headers-6.1.0-50-amd64");
    let truth = Symvers::load(&headers.join("Module.symvers"))
        .unwrap()
        .symvers;
    let src = support::kernel("linux-6.1");
    let work = tempfile::tempdir_in(support::target()).unwrap();
    let config = ConfigSource {
        base: ConfigBase::Text(read_config(&headers).unwrap()),
        fragments: Vec::new(),
    };
    let kernel = Kernel::prepare(&src, &work.path().join("obj"), &config);
    let overlay = ExportOverlay::create(&src, &work.path().join("overlay")).unwrap();
    let gcc = Gcc::new(
        kernel.tree.environment(),
        Some(overlay),
        GccLimits::default(),
    );
    let units = support::units::spread(kernel.candidates(), UNITS);
    let mut results: Vec<Result<usize, Failure>> = units
        .par_iter()
        .map(|unit| compare(unit, &kernel, &gcc, &truth))
        .collect();
    let open: Vec<usize> = results
        .iter()
        .enumerate()
        .filter(|(_, r)| matches!(r, Err(Failure::Missing(_))))
        .map(|(at, _)| at)
        .collect();
    kernel
        .tree
        .make_objects(
            &open
                .iter()
                .map(|&at| units[at].object.as_str())
                .collect::<Vec<_>>(),
        )
        .unwrap();
    for at in open {
        results[at] = compare(&units[at], &kernel, &gcc, &truth);
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
        units.len() >= 400 && exports >= 2000,
        "only {} units with {exports} exports",
        units.len()
    );
    println!(
        "{} units, {exports} exports equal to the published Module.symvers",
        units.len()
    );
}

#[derive(Debug)]
enum Failure {
    /// A file does not exist before the unit's object is made.
    Missing(#[allow(dead_code, reason = "shown when the test fails")] String),
    Differs(#[allow(dead_code, reason = "shown when the test fails")] String),
}

fn compare(unit: &Unit, kernel: &Kernel, gcc: &Gcc, truth: &Symvers) -> Result<usize, Failure> {
    let missing =
        |error: &dyn std::fmt::Display| Failure::Missing(format!("{}: {error}", unit.object));
    let (text, sites): (Vec<u8>, Vec<ExportSite>) = match unit.language {
        Language::C => match gcc.preprocess(&unit.call) {
            Ok(preprocessed) => (preprocessed.text, preprocessed.exports),
            Err(
                error @ CppError::Failed {
                    missing: Some(_), ..
                },
            ) => return Err(missing(&error)),
            Err(error) => return Err(Failure::Differs(error.to_string())),
        },
        Language::Asm => {
            let sites = kernel
                .tree
                .asm_exports(unit)
                .map_err(|error| missing(&error))?
                .exports;
            let prototypes = unit.prototypes.as_ref().unwrap();
            let text = prototypes.text(sites.iter().map(|site| site.symbol.as_str()));
            (
                gcc.preprocess_text(&prototypes.call, text.as_bytes())
                    .unwrap()
                    .text,
                sites,
            )
        }
    };
    let symbols = analyse(&mut TextTokens::new(&text), &kernel.profile);
    for site in &sites {
        let crc = symbols
            .exports
            .iter()
            .find(|(symbol, _)| *symbol == site.symbol)
            .map_or(Crc(0), |(_, crc)| *crc);
        let found = (
            crc,
            unit.module.as_str(),
            site.is_gpl_only(),
            site.namespace.as_str(),
        );
        let published = truth.get(&site.symbol).map(|export| {
            let namespace = export.namespace.as_deref().unwrap_or_default();
            (
                export.crc,
                export.module.as_str(),
                export.class.is_gpl_only(),
                namespace,
            )
        });
        if published != Some(found) {
            return Err(Failure::Differs(format!(
                "{}: {}: {found:?}, published {published:?}",
                unit.object, site.symbol
            )));
        }
    }
    Ok(sites.len())
}
