//! Reader of lists by driver in JSON: `{"driver": ["symbol", …], …}`, as openEuler keeps them (`<arch>_kind_drive_kabi`).

use std::collections::BTreeMap;

use super::error::PolicyError;
use super::list::{Entry, ProtectedList, Section, symbol};
use crate::symvers::{Problems, shown};

/// Reads such a list. JSON has no lines that mean something, so entries have the line 0.
pub(super) fn read(text: &[u8], name: &str) -> Result<ProtectedList, PolicyError> {
    let mut problems = Problems::default();
    let drivers: BTreeMap<String, Vec<String>> = match serde_json::from_slice(text) {
        Ok(drivers) => drivers,
        Err(error) => {
            let message = format!("{error}; expected {{\"driver\": [\"symbol\", …], …}}");
            problems.push(error.line(), message);
            BTreeMap::new()
        }
    };
    let mut list = ProtectedList {
        name: name.to_owned(),
        ..ProtectedList::default()
    };
    for (driver, symbols) in drivers {
        let section = list.sections.len();
        let consumers = [driver.clone()].into();
        list.sections.push(Section {
            name: driver,
            line: 0,
        });
        for word in symbols {
            match symbol(&word) {
                Ok(symbol) => list.entries.push(Entry {
                    symbol,
                    line: 0,
                    section: Some(section),
                    consumers: std::sync::Arc::clone(&consumers),
                }),
                Err(message) => problems.push(0, format!("{message} ({})", shown(&word))),
            }
        }
    }
    if problems.is_empty() {
        Ok(list)
    } else {
        Err(PolicyError::Invalid {
            name: name.to_owned(),
            problems,
            looks_like: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each driver is a group whose symbols it needs, and what is no such JSON is refused.
    #[test]
    fn drivers_are_groups() {
        let list = read(
            br#"{"ixgbe": ["kfree", "netif_rx"], "mlx5": ["kfree"]}"#,
            "d",
        )
        .expect("reads");
        let found: Vec<_> = list
            .entries
            .iter()
            .map(|e| (e.symbol.as_str(), e.consumers[0].as_str()))
            .collect();
        assert_eq!(
            found,
            [("kfree", "ixgbe"), ("netif_rx", "ixgbe"), ("kfree", "mlx5")]
        );
        assert!(read(br#"{"a": "b"}"#, "d").is_err());
        assert!(read(br#"{"a": ["b*"]}"#, "d").is_err());
    }
}
