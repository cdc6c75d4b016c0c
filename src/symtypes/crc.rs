//! The modversion CRC of an export, computed from symtypes text.
//!
//! The text of a record names the types it uses; genksyms puts their text in place of the first mention and
//! `struct name` (`union`, `enum`, or the bare name) in place of every later one, and feeds each token and one blank to
//! the CRC-32 of zlib. So the stored text of a baseline can vouch for its CRCs.

use crc32fast::Hasher;

use super::{TextId, TypeGraph};
use crate::symvers::Crc;

/// Why a CRC cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrcError {
    /// No unit exports the symbol.
    #[error("no unit defines the symbol {0}")]
    NoSuchSymbol(String),
    /// The unit's records refer to a type that has no record.
    #[error("symbol {symbol}: type {name} is referred to and not defined")]
    NoSuchType {
        /// The export.
        symbol: String,
        /// The missing record.
        name: String,
    },
}

impl TypeGraph {
    /// Computes the CRC of an export from the records of its unit.
    ///
    /// # Errors
    /// If no unit exports the symbol, or a type it reaches has no record.
    pub fn crc(&self, symbol: &str) -> Result<Crc, CrcError> {
        let (unit, record) = self
            .exporter(symbol)
            .ok_or_else(|| CrcError::NoSuchSymbol(symbol.to_owned()))?;
        let mut met = vec![false; self.name_count()];
        met[record.name.index()] = true;
        let mut crc = Hasher::new();
        // Texts that are being fed, the innermost one last: each with how much of it is done.
        let mut open = vec![Open::new(record.text)];
        while let Some(top) = open.last_mut() {
            let text = self.text(top.text);
            let Some(mention) = self.mentions(top.text).get(top.mention) else {
                // Every token is followed by one blank, the last one too.
                if let Some(rest) = text.get(top.done..).filter(|rest| !rest.is_empty()) {
                    crc.update(rest.as_bytes());
                    crc.update(b" ");
                }
                open.pop();
                continue;
            };
            crc.update(&text.as_bytes()[top.done..mention.start as usize]);
            top.done = text.len().min(mention.end as usize + 1);
            top.mention += 1;
            let name = self.name(mention.name);
            if std::mem::replace(&mut met[mention.name.index()], true) {
                if let Some(keyword) = name.kind.keyword() {
                    crc.update(keyword.as_bytes());
                    crc.update(b" ");
                }
                crc.update(name.name.as_bytes());
                crc.update(b" ");
                continue;
            }
            let record = self
                .record(unit, mention.name)
                .ok_or_else(|| CrcError::NoSuchType {
                    symbol: symbol.to_owned(),
                    name: name.to_string(),
                })?;
            open.push(Open::new(record.text));
        }
        Ok(Crc(crc.finalize()))
    }
}

/// A text that is being fed.
struct Open {
    text: TextId,
    /// Bytes that are done.
    done: usize,
    /// The next of its mentions.
    mention: usize,
}

impl Open {
    fn new(text: TextId) -> Open {
        Open {
            text,
            done: 0,
            mention: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symtypes::{Definition, TypeKind, TypeName, reference};

    fn graph(records: &[(&str, &str)]) -> TypeGraph {
        let definitions: Vec<Definition> = records
            .iter()
            .map(|(name, text)| Definition {
                name: reference(name).unwrap_or(TypeName {
                    kind: TypeKind::Symbol,
                    name: (*name).to_owned(),
                }),
                is_extern: false,
                text: (*text).to_owned(),
                location: None,
            })
            .collect();
        let mut graph = TypeGraph::default();
        graph.add_unit("u", &definitions);
        graph
    }

    /// The CRC of a simple prototype is the one that published Module.symvers files hold for it.
    #[test]
    fn prototype_without_types_has_the_published_crc() {
        assert_eq!(
            graph(&[("__fentry__", "void __fentry__ ( void )")]).crc("__fentry__"),
            Ok(Crc(0xbdfb_6dbb))
        );
    }

    /// A chain of 100,000 structs and a cycle end without deep recursion.
    #[test]
    fn deep_and_cyclic_graphs_end() {
        let mut records = vec![("f".to_owned(), "void f ( s#n0 * )".to_owned())];
        for n in 0..100_000 {
            records.push((
                format!("s#n{n}"),
                format!("struct n{n} {{ s#n{} * next ; }}", (n + 1) % 100_000),
            ));
        }
        let borrowed: Vec<(&str, &str)> = records
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        assert!(graph(&borrowed).crc("f").is_ok());
    }

    /// A reference without record is an error that names both.
    #[test]
    fn missing_type_is_named() {
        let error = graph(&[("f", "void f ( s#gone * )")]).crc("f").unwrap_err();
        assert_eq!(
            error.to_string(),
            "symbol f: type s#gone is referred to and not defined"
        );
    }
}
