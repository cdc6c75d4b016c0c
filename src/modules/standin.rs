//! Texts that stand in for modules: imports with their CRCs, without the module file.
//!
//! The output of `modprobe --dump-modversions` has the CRC and the symbol on each line and is one module; the
//! lists of `kabi.pl --extra` begin each line with the module's path and hold any number of modules.

use std::collections::BTreeMap;

use super::error::ModulesError;
use super::module::{Import, Module, Origin, name_from_path};
use crate::symvers::{Crc, Problems, looks_like, shown};

/// Whether the data is the output of `modprobe --dump-modversions`.
pub(super) fn is_dump(data: &[u8]) -> bool {
    looks_like(data).is_some_and(|what| what.contains("dump-modversions"))
}

/// Whether the data is a list of `kabi.pl --extra`.
pub(super) fn is_list(data: &[u8]) -> bool {
    looks_like(data).is_some_and(|what| what.contains("kabi.pl"))
}

/// Reads the output of `modprobe --dump-modversions`; the module's name comes from the file's.
pub(super) fn read_dump(data: &[u8], path: &str) -> Result<Module, ModulesError> {
    let mut module = Module::named(path, name_from_path(path), Origin::Text);
    let expected = "expected 0xcrc and symbol";
    read_lines(data, path, |words| match words {
        [crc, symbol] => insert(&mut module, crc, symbol),
        _ => Err(format!("{} columns; {expected}", words.len())),
    })?;
    Ok(module)
}

/// Reads a list of `kabi.pl --extra`; the modules come in bytewise order of their paths.
pub(super) fn read_list(data: &[u8], path: &str) -> Result<Vec<Module>, ModulesError> {
    let mut modules: BTreeMap<String, Module> = BTreeMap::new();
    let expected = "expected path.ko, 0xcrc and symbol";
    read_lines(data, path, |words| match words {
        [file, crc, symbol] if file.contains(".ko") => {
            let module = modules
                .entry((*file).to_owned())
                .or_insert_with(|| Module::named(file, name_from_path(file), Origin::Text));
            insert(module, crc, symbol)
        }
        [file, _, _] => Err(format!("`{}` is no .ko file; {expected}", shown(file))),
        _ => Err(format!("{} columns; {expected}", words.len())),
    })?;
    Ok(modules.into_values().collect())
}

fn read_lines(
    data: &[u8],
    name: &str,
    mut line: impl FnMut(&[&str]) -> Result<(), String>,
) -> Result<(), ModulesError> {
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let mut problems = Problems::default();
    for (index, bytes) in data.split(|byte| *byte == b'\n').enumerate() {
        let number = index.saturating_add(1);
        let Ok(text) = std::str::from_utf8(bytes) else {
            problems.push(number, "not UTF-8; expected 0xcrc and symbol");
            continue;
        };
        let words: Vec<&str> = text.split_ascii_whitespace().take(4).collect();
        if words.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Err(message) = line(&words) {
            problems.push(number, message);
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ModulesError::Invalid {
            name: name.to_owned(),
            problems,
        })
    }
}

fn insert(module: &mut Module, crc: &str, symbol: &str) -> Result<(), String> {
    let digits = crc.strip_prefix("0x").filter(|digits| {
        (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit())
    });
    let crc = digits
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .map(Crc)
        .ok_or_else(|| {
            format!(
                "CRC `{}`; expected 0x and up to 8 hexadecimal digits",
                shown(crc)
            )
        })?;
    let symbol = symbol.strip_prefix('.').unwrap_or(symbol);
    let import = Import {
        crc: Some(crc),
        weak: false,
    };
    match module.imports.insert(symbol.to_owned(), import) {
        Some(before) if before != import => Err(format!(
            "`{}` stands here with another CRC than before; expected one line for each symbol",
            shown(symbol)
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of `modprobe --dump-modversions` gives a module whose licence is not known.
    #[test]
    fn a_dump_is_a_module() {
        let text = b"0xf4e3e1b6\tmodule_layout\n0x5b7070d6\t__alloc_skb\n";
        let module = Module::read(text, "out/my-mod.ko.txt").expect("reads");
        assert_eq!(module.name, "my_mod");
        assert_eq!(module.origin, Origin::Text);
        assert_eq!(module.imports["__alloc_skb"].crc, Some(Crc(0x5b70_70d6)));
    }

    /// A list of `kabi.pl --extra` gives one module for each path.
    #[test]
    fn a_list_is_several_modules() {
        let text = b"b/qla2xxx.ko 0x1 kfree\na/lpfc.ko 0xc5850110 printk\na/lpfc.ko 0x1 kfree\n";
        assert!(is_list(text));
        let modules = read_list(text, "extra").expect("reads");
        let names: Vec<_> = modules.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["lpfc", "qla2xxx"]);
        assert_eq!(modules[0].imports["printk"].crc, Some(Crc(0xc585_0110)));
    }

    /// Bad lines are told with their place.
    #[test]
    fn bad_lines_are_told() {
        let error =
            Module::read(b"0x1\tkfree\n0x1 a b\n0xfffffffff a\n0x2 kfree\n", "d").expect_err("bad");
        assert_eq!(
            error.to_string(),
            "d:2: 3 columns; expected 0xcrc and symbol\n\
             d:3: CRC `0xfffffffff`; expected 0x and up to 8 hexadecimal digits\n\
             d:4: `kfree` stands here with another CRC than before; expected one line for each symbol"
        );
    }
}
