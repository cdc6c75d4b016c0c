//! What genksyms prints for a unit.

use std::io::{self, Write};

use super::UnitSymbols;

impl UnitSymbols {
    /// Writes the definitions as `genksyms -T` does: one line each, every token followed by a blank.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn write_symtypes(&self, mut out: impl Write) -> io::Result<()> {
        for definition in &self.definitions {
            let mark = if definition.is_extern { "extern " } else { "" };
            if definition.text.is_empty() {
                writeln!(out, "{} {mark}(nil)", definition.name)?;
            } else {
                writeln!(out, "{} {mark}{} ", definition.name, definition.text)?;
            }
        }
        Ok(())
    }

    /// Writes the exports as genksyms does since Linux 5.19: `#SYMVER name 0x01234567`.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn write_symvers(&self, mut out: impl Write) -> io::Result<()> {
        for (symbol, crc) in &self.exports {
            writeln!(out, "#SYMVER {symbol} {crc}")?;
        }
        Ok(())
    }

    /// Writes the messages as `genksyms -w` does.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn write_diagnostics(&self, mut out: impl Write) -> io::Result<()> {
        for diagnostic in &self.diagnostics {
            writeln!(out, "{}: {}", diagnostic.location, diagnostic.message)?;
        }
        Ok(())
    }
}
