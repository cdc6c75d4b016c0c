//! Writer of `Module.symvers`: the five-column form of current kernels, sorted by symbol.

use std::fmt::{self, Write};
use std::io;

use super::{Export, Symvers};

impl Symvers {
    /// The text of a `Module.symvers` file in the current five-column form, in bytewise order of the symbols.
    ///
    /// Reading it gives the same value again, except that [`super::Read::warnings`] of the source are not kept.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = String::new();
        for export in self.iter() {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{}", Line(export));
        }
        text
    }

    /// Writes the text of [`Symvers::write`] to a file or buffer.
    ///
    /// # Errors
    ///
    /// What `out` reports.
    pub fn write_to(&self, out: &mut impl io::Write) -> io::Result<()> {
        self.iter()
            .try_for_each(|export| writeln!(out, "{}", Line(export)))
    }
}

/// One line without its LF. An absent namespace leaves the trailing TAB that modpost writes.
struct Line<'a>(&'a Export);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let export = self.0;
        write!(
            f,
            "{}\t{}\t{}\t{}\t{}",
            export.crc,
            export.symbol,
            export.module,
            export.class,
            export.namespace.as_deref().unwrap_or("")
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::symvers::{Crc, Export, ExportClass, Symvers};

    fn class() -> impl Strategy<Value = ExportClass> {
        prop_oneof![
            Just(ExportClass::Plain),
            Just(ExportClass::Gpl),
            Just(ExportClass::GplFuture),
            Just(ExportClass::Unused),
            Just(ExportClass::UnusedGpl),
            Just(ExportClass::Unknown),
            "EXPORT_[A-Z]{6,12}Q".prop_map(ExportClass::Other),
        ]
    }

    fn export() -> impl Strategy<Value = Export> {
        (
            "[A-Za-z_$][A-Za-z0-9_.$]{0,70}",
            any::<u32>(),
            "(vmlinux|[a-z/_ .-]{1,30}x)",
            class(),
            proptest::option::of("[A-Za-z_:,*-]{1,20}"),
        )
            .prop_map(|(symbol, crc, module, class, namespace)| Export {
                symbol: symbol.into(),
                crc: Crc(crc),
                module: module.into(),
                class,
                namespace: namespace.map(Into::into),
            })
    }

    proptest! {
        /// Reading what was written gives the same exports, and writing them again the same bytes.
        #[test]
        fn what_was_written_reads_back(exports in proptest::collection::vec(export(), 1..40)) {
            let symvers: Symvers = exports.into_iter().collect();
            let text = symvers.write();
            let read = Symvers::read(text.as_bytes(), "t").map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(read.symvers.write(), text);
            prop_assert_eq!(read.symvers, symvers);
        }

        /// Whatever the order of the lines is, the exports are those of a sorted map, and a second line for a symbol is told
        /// with the first one's number.
        #[test]
        fn any_order_is_sorted(names in proptest::collection::vec("(__traceiter_|drm_atomic_helper_)?[ab]{1,6}", 1..60)) {
            let line = |name: &String| format!("0x1\t{name}\tvmlinux\tEXPORT_SYMBOL\t\n");
            let text: String = names.iter().map(line).collect();
            let read = Symvers::read(text.as_bytes(), "t").map_err(|e| TestCaseError::fail(e.to_string()))?;
            let sorted: std::collections::BTreeSet<&str> = names.iter().map(String::as_str).collect();
            prop_assert!(read.symvers.iter().map(|export| export.symbol.as_str()).eq(sorted));
            let first = |name| names.iter().position(|other| other == name);
            let again = names.iter().enumerate().filter_map(|(at, name)| {
                let first = first(name).filter(|&first| first < at)?;
                Some((at + 1, format!("`{name}` is listed again, as in line {}", first + 1)))
            });
            let told = read.warnings.iter().map(|warning| (warning.line, warning.message.clone()));
            prop_assert!(told.eq(again));
        }

        /// The reader takes any bytes without a panic.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Symvers::read(&bytes, "t");
        }

        /// The reader takes any mixture of the bytes that matter to it without a panic.
        #[test]
        fn any_columns_are_read_or_refused(text in "(0x[0-9a-f]{0,9}|EXPORT_SYMBOL(_GPL)?|[a-z.]{0,3}|\t|\n|\r| |#){0,60}") {
            let _ = Symvers::read(text.as_bytes(), "t");
        }
    }

    /// The text form is that of modpost, and `write_to` gives the same bytes.
    #[test]
    fn the_form_is_modposts() {
        let text = "0x000000ab\ta\tvmlinux\tEXPORT_SYMBOL\t\n0x00000000\tb\tdrivers/cxl/core/cxl_core\tEXPORT_SYMBOL_GPL\tCXL\n";
        let symvers = Symvers::read(text.as_bytes(), "t").expect("reads").symvers;
        assert_eq!(symvers.write(), text);
        let mut bytes = Vec::new();
        symvers.write_to(&mut bytes).expect("a Vec takes all bytes");
        assert_eq!(bytes, text.as_bytes());
    }
}
