//! A folder to run the program in.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{self, Ended, Run};

/// A folder with files by name.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir_in(support::target()).unwrap());
        for (name, text) in files {
            fs::write(folder.path(name), text.replace("→", "\t")).unwrap();
        }
        folder
    }

    pub(crate) fn top(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `diff old new` in the folder with a JSON report beside the console.
    pub(crate) fn diff(&self, arguments: &[&str]) -> (Ended, Value) {
        let mut all = vec![
            "diff",
            "old",
            "new",
            "--output",
            "console",
            "--output",
            "json:r.json",
        ];
        all.extend(arguments);
        let ended = Run::new(&all).dir(self.0.path()).end();
        let report = fs::read(self.path("r.json")).unwrap();
        (ended, serde_json::from_slice(&report).unwrap())
    }
}
