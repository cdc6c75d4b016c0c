//! What an assembly unit exports.
//!
//! The export macros of assembly are the assembler's own, so nothing short of assembling expands them; one file takes
//! some 20 ms. The object tells its exports:
//!
//! - since 6.5 in section `.export_symbol`, a label `__export_symbol_NAME` per export, then two NUL-terminated strings:
//!   licence and namespace (`include/linux/export.h`);
//! - before, in sections `___ksymtab+NAME` or `___ksymtab_gpl+NAME`, a label `__ksymtab_NAME`
//!   (`include/asm-generic/export.h`), and the namespace at `__kstrtabns_NAME` if there is one.

use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use object::{Object, ObjectSection, ObjectSymbol};

use crate::cpp::child::{self, Child};
use crate::cpp::{ExportSite, prerequisites};

use super::{KbuildError, ObjectTree, Unit, make};

/// Wall time of one assembly.
const TIME: Duration = Duration::from_secs(120);
/// Bytes that the assembler may print.
const OUTPUT_LIMIT: u64 = 1 << 20;
/// Bytes of an object.
const OBJECT_LIMIT: u64 = 256 << 20;
/// Start of a label in `.export_symbol`.
const LABEL: &str = "__export_symbol_";
/// Start of the name of a section with one export.
const KSYMTAB: &str = "___ksymtab";

/// What assembling a unit tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// What it exports, in bytewise order of the symbols.
    pub exports: Vec<ExportSite>,
    /// Every file that was opened, as named by the assembler's preprocessor.
    pub dependencies: Vec<PathBuf>,
}

impl ObjectTree {
    /// Assembles a unit into a temporary file and reads what it exports, and which files it is made of.
    ///
    /// # Errors
    /// If it does not assemble, or its object cannot be read.
    pub fn asm_exports(&self, unit: &Unit) -> Result<Assembled, KbuildError> {
        let home = make::home(&self.obj);
        let failed = |message: String| KbuildError::Assemble {
            unit: unit.source.clone(),
            message,
        };
        let target = tempfile::Builder::new()
            .suffix(".o")
            .tempfile_in(&home)
            .map_err(|error| failed(error.to_string()))?;
        let depfile =
            tempfile::NamedTempFile::new_in(&home).map_err(|error| failed(error.to_string()))?;
        let mut argv = child::argv(&unit.call.program);
        argv.extend(child::argv(unit.call.args.iter().map(|word| &**word)));
        argv.extend(child::argv(["-MD", "-MF"]));
        argv.push(depfile.path().into());
        argv.extend(child::argv(["-c", "-o"]));
        argv.push(target.path().into());
        argv.push((&unit.call.source).into());
        let (finished, _) = child::output(&Child {
            argv: &argv,
            cwd: &unit.call.cwd,
            environment: &self.environment(),
            stdin: None,
            time: TIME,
            output: OUTPUT_LIMIT,
        })
        .map_err(|source| KbuildError::Child {
            what: format!("assembling {}", unit.source),
            source,
        })?;
        if !finished.status.success() {
            return Err(failed(make::messages(&String::from_utf8_lossy(
                &finished.stderr,
            ))));
        }
        let size = std::fs::metadata(target.path()).map_or(0, |metadata| metadata.len());
        if size > OBJECT_LIMIT {
            return Err(KbuildError::Limit {
                name: unit.object.clone(),
                what: "the object",
                limit: format!("{OBJECT_LIMIT} bytes"),
            });
        }
        let bytes = std::fs::read(target.path()).map_err(|error| failed(error.to_string()))?;
        let mut rule = Vec::new();
        depfile
            .as_file()
            .take(OUTPUT_LIMIT)
            .read_to_end(&mut rule)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Assembled {
            exports: exports(&bytes).map_err(failed)?,
            dependencies: prerequisites(&rule),
        })
    }
}

/// Reads the exports of an object.
fn exports(bytes: &[u8]) -> Result<Vec<ExportSite>, String> {
    let file = object::File::parse(bytes).map_err(|error| error.to_string())?;
    let mut sites = Vec::new();
    for symbol in file.symbols() {
        let Ok(name) = symbol.name() else { continue };
        if let Some(exported) = name.strip_prefix(LABEL) {
            sites.push(labelled(&file, &symbol, exported)?);
        } else if let Some(exported) = name.strip_prefix("__ksymtab_")
            && let Some(site) = in_ksymtab(&file, &symbol, exported)?
        {
            sites.push(site);
        }
    }
    sites.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    sites.dedup();
    Ok(sites)
}

/// The export at a label of `.export_symbol`.
fn labelled<'d>(
    file: &object::File<'d>,
    label: &object::Symbol<'d, '_>,
    exported: &str,
) -> Result<ExportSite, String> {
    let incomplete =
        || format!("the export of {exported} has no licence and namespace in its object");
    let data = data_at(file, label).ok_or_else(incomplete)?;
    let mut strings = data.split(|&byte| byte == 0);
    let (Some(license), Some(namespace), Some(_)) =
        (strings.next(), strings.next(), strings.next())
    else {
        return Err(incomplete());
    };
    Ok(ExportSite {
        symbol: exported.to_owned(),
        license: String::from_utf8_lossy(license).into_owned(),
        namespace: String::from_utf8_lossy(namespace).into_owned(),
    })
}

/// The export of a `__ksymtab_NAME` label, if its section is one of an export: `___ksymtab`, the suffix of its class,
/// `+`, and the symbol.
fn in_ksymtab<'d>(
    file: &object::File<'d>,
    label: &object::Symbol<'d, '_>,
    exported: &str,
) -> Result<Option<ExportSite>, String> {
    let Some(section) = label
        .section_index()
        .and_then(|index| file.section_by_index(index).ok())
    else {
        return Ok(None);
    };
    let name = section.name().map_err(|error| error.to_string())?;
    let Some((class, symbol)) = name
        .strip_prefix(KSYMTAB)
        .and_then(|rest| rest.split_once('+'))
    else {
        return Ok(None);
    };
    if symbol != exported {
        return Ok(None);
    }
    let namespace = file
        .symbol_by_name(&format!("__kstrtabns_{exported}"))
        .and_then(|string| data_at(file, &string))
        .and_then(|data| data.split(|&byte| byte == 0).next())
        .map_or_else(String::new, |text| {
            String::from_utf8_lossy(text).into_owned()
        });
    Ok(Some(ExportSite {
        symbol: exported.to_owned(),
        license: class.to_owned(),
        namespace,
    }))
}

/// The bytes of a symbol's section from the symbol on.
fn data_at<'d>(file: &object::File<'d>, symbol: &object::Symbol<'d, '_>) -> Option<&'d [u8]> {
    let section = file.section_by_index(symbol.section_index()?).ok()?;
    let offset = symbol.address().checked_sub(section.address())?;
    section.data().ok()?.get(usize::try_from(offset).ok()?..)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Assembles a text with the machine's compiler.
    fn assembled(text: &str) -> Vec<u8> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = folder.path().join("a.s");
        std::fs::write(&source, text).expect("a file");
        let object = folder.path().join("a.o");
        let mut argv = child::argv(["gcc", "-c", "-o"]);
        argv.push(object.clone().into());
        argv.push(source.into());
        let environment = child::Environment::new("/usr/local/bin:/usr/bin:/bin", folder.path());
        let (finished, _) = child::output(&Child {
            argv: &argv,
            cwd: folder.path(),
            environment: &environment,
            stdin: None,
            time: TIME,
            output: OUTPUT_LIMIT,
        })
        .expect("gcc runs");
        assert!(
            finished.status.success(),
            "{}",
            String::from_utf8_lossy(&finished.stderr)
        );
        std::fs::read(object).expect("an object")
    }

    fn read(text: &str) -> Vec<(String, String, String)> {
        exports(&assembled(text))
            .expect("exports")
            .into_iter()
            .map(|site| (site.symbol, site.license, site.namespace))
            .collect()
    }

    fn want(list: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
        list.iter()
            .map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned()))
            .collect()
    }

    /// Checks the shape since 6.5: labels in `.export_symbol`, each with licence and namespace.
    #[test]
    fn reads_export_symbol_sections() {
        let text = ".text\nmemcpy: ret\nclear_page: ret\n\
            .section \".export_symbol\",\"a\"\n__export_symbol_memcpy:\n.asciz \"\"\n.ascii \"\\0\"\n.balign 8\n.quad memcpy\n.previous\n\
            .section \".export_symbol\",\"a\"\n__export_symbol_clear_page:\n.asciz \"GPL\"\n.ascii \"module:\" \"kvm\" \"\\0\"\n.balign 8\n.quad clear_page\n.previous\n";
        assert_eq!(
            read(text),
            want(&[("clear_page", "GPL", "module:kvm"), ("memcpy", "", "")])
        );
    }

    /// Checks the shape before 6.5: one section per export, whose name tells class and symbol.
    #[test]
    fn reads_ksymtab_sections() {
        let export = |name: &str, class: &str| {
            format!(
                ".section ___ksymtab{class}+{name},\"a\"\n.balign 4\n__ksymtab_{name}:\n.long {name} - ., __kstrtab_{name} - ., 0\n.previous\n\
                 .section __ksymtab_strings,\"aMS\",%progbits,1\n__kstrtab_{name}:\n.asciz \"{name}\"\n.previous\n"
            )
        };
        let mut text = ".text\nb: ret\na: ret\n__ksymtab_other: ret\n".to_owned();
        text.push_str(&export("b", ""));
        text.push_str(&export("a", "_gpl"));
        text.push_str(
            ".section __ksymtab_strings,\"aMS\",%progbits,1\n__kstrtabns_a:\n.asciz \"NS\"\n",
        );
        assert_eq!(read(&text), want(&[("a", "_gpl", "NS"), ("b", "", "")]));
    }

    /// Checks that an object without exports gives none, and that a cut label and other bytes are refused.
    #[test]
    fn other_objects() {
        assert!(read(".text\na: ret\n").is_empty());
        let cut = ".section \".export_symbol\",\"a\"\n__export_symbol_a:\n.ascii \"GPL\"\n";
        assert!(
            exports(&assembled(cut))
                .expect_err("cut off")
                .contains("the export of a")
        );
        assert!(exports(b"no object").is_err());
    }
}
