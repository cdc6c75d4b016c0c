//! Prepared kernels and the units in them that can export.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kabigate::genksyms::Profile;
use kabigate::kbuild::{ConfigSource, ExportIndex, FileScan, MakeOptions, ObjectTree, Unit};
use rayon::prelude::*;

/// A kernel that is configured and prepared; preparing also builds the kernel's own genksyms.
pub struct Kernel {
    pub tree: ObjectTree,
    pub profile: Profile,
    src: PathBuf,
}

impl Kernel {
    pub fn prepare(src: &Path, obj: &Path, config: &ConfigSource) -> Kernel {
        let mut options = MakeOptions::new(std::env::var_os("PATH").unwrap());
        options.jobs = 2;
        options.timeout = Duration::from_secs(1800);
        let tree = ObjectTree::new(src.to_owned(), obj.to_owned(), options).unwrap();
        assert!(
            tree.configure(config)
                .unwrap()
                .config
                .is_yes("CONFIG_MODVERSIONS")
        );
        tree.prepare().unwrap();
        Kernel {
            tree,
            profile: profile(src),
            src: src.to_owned(),
        }
    }

    /// The units that can export, by object.
    pub fn candidates(&self) -> Vec<Unit> {
        let scans: Vec<(String, FileScan)> = sources(&self.src)
            .into_par_iter()
            .map(|path| {
                let scan = FileScan::scan(&std::fs::read(self.src.join(&path)).unwrap());
                (path, scan)
            })
            .collect();
        let index = ExportIndex::new(
            scans.iter().map(|(path, scan)| (path.as_str(), scan)),
            self.tree.arch(),
        );
        self.tree
            .plan()
            .unwrap()
            .units
            .into_iter()
            .filter(|unit| index.is_candidate(unit))
            .collect()
    }
}

/// As many units as `KABIGATE_TEST_UNITS` says (0 stands for all), else `default`, evenly spread.
pub fn spread(units: Vec<Unit>, default: usize) -> Vec<Unit> {
    let wanted = std::env::var("KABIGATE_TEST_UNITS")
        .ok()
        .and_then(|units| units.parse().ok())
        .unwrap_or(default);
    let step = units.len().checked_div(wanted).unwrap_or(1).max(1);
    units.into_iter().step_by(step).collect()
}

fn profile(src: &Path) -> Profile {
    let files: Vec<(String, Vec<u8>)> = std::fs::read_dir(src.join("scripts/genksyms"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    Profile::detect(&files).unwrap()
}

fn sources(src: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![src.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            let path = entry.path();
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                let inside = path
                    .strip_prefix(src)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                if FileScan::is_source_name(&inside) {
                    found.push(inside);
                }
            }
        }
    }
    found
}
