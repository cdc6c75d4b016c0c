//! Tells the forms apart.

use std::path::Path;

use super::combined::is_combined;
use super::consolidated::is_consolidated;
use super::{SymtypesError, TypeGraph};
use crate::symvers::{UNPACK_LIMIT, read_file, unpack};

impl TypeGraph {
    /// Reads symtypes of any form: a folder of files of units, or one file, plain or packed with gzip, xz or zstd.
    ///
    /// # Errors
    /// If something cannot be read, or is wrong in the form that it is of.
    pub fn load(path: &Path) -> Result<TypeGraph, SymtypesError> {
        TypeGraph::default().load_into(path)
    }

    /// As [`TypeGraph::load`], into this graph, which has no units.
    ///
    /// # Errors
    /// As there.
    pub fn load_into(self, path: &Path) -> Result<TypeGraph, SymtypesError> {
        if path.is_dir() {
            return self.folder(path);
        }
        let name = path.display().to_string();
        let bytes = read_file(path, UNPACK_LIMIT)?;
        self.read_into(&unpack(&bytes, &name, UNPACK_LIMIT)?, &name)
    }

    /// Reads symtypes of any form out of one file that is unpacked.
    ///
    /// # Errors
    /// If the file is wrong in the form that it is of.
    pub fn read(bytes: &[u8], name: &str) -> Result<TypeGraph, SymtypesError> {
        TypeGraph::default().read_into(bytes, name)
    }

    /// As [`TypeGraph::read`], into this graph, which has no units.
    ///
    /// # Errors
    /// As there.
    pub fn read_into(self, bytes: &[u8], name: &str) -> Result<TypeGraph, SymtypesError> {
        // The forms are told apart by their first or last line, so a bad byte between them does not matter here.
        let first = String::from_utf8_lossy(bytes.get(..4096).unwrap_or(bytes));
        let tail = bytes.len().saturating_sub(1 << 20);
        let last = String::from_utf8_lossy(&bytes[tail..]);
        if is_consolidated(first.trim_start_matches('\u{feff}')) {
            self.consolidated(bytes, name)
        } else if is_combined(&last) {
            self.combined(bytes, name)
        } else {
            let file = name.rsplit('/').next().unwrap_or(name);
            let unit = file.split(".symtypes").next().unwrap_or(file);
            self.object(bytes, unit, name)
        }
    }
}
