//! Bringing a plan up to date after the Makefiles of some folders changed.
//!
//! Contract: requires a plan that was whole before the change, and folders that the build goes into by themselves (not
//! the top one); guarantees the plan that a whole dry run would give, or `None`: then only a whole one tells. Cost: the
//! dry run of these folders instead of all.
//!
//! A Makefile decides what is compiled in its folder and in the folders below it, which it names and passes flags to.
//! What stands elsewhere it can reach in three ways, and each of them ends in `None`: its objects make up modules of
//! another folder or the reverse, it is included by another folder's Makefile (which the caller rules out), or the dry
//! run of the folder compiles something outside of it that the plan has otherwise.

use std::collections::BTreeSet;

use super::{KbuildError, ObjectTree, Plan, Unit};

impl ObjectTree {
    /// Plans `folders` again and puts the result into `plan`; `None` if that does not give what a whole dry run would.
    ///
    /// # Errors
    /// If make cannot be run.
    pub fn replan(
        &self,
        plan: &Plan,
        folders: &BTreeSet<String>,
    ) -> Result<Option<Plan>, KbuildError> {
        let folders = outermost(folders);
        let clear = |folder: &&str| {
            plan.folders.contains(*folder)
                && *folder != "."
                && !plan.entangled.iter().any(|other| touches(folder, other))
                && !plan
                    .notes
                    .iter()
                    .any(|note| note.contains(&format!("'{folder}/")))
        };
        if !folders.iter().all(clear) {
            return Ok(None);
        }
        let goals: Vec<String> = folders.iter().map(|folder| format!("{folder}/")).collect();
        let goals: Vec<&str> = goals.iter().map(String::as_str).collect();
        let (builder, ended) = self.dry_run(&goals)?;
        if !ended.status.success() {
            return Ok(None);
        }
        // Commands that are not understood are told by the whole dry run.
        let Ok(part) = builder.finish_part() else {
            return Ok(None);
        };
        Ok(splice(plan, part, &folders))
    }
}

/// Replaces what a plan has for `folders` by `part`.
fn splice(plan: &Plan, part: Plan, folders: &[&str]) -> Option<Plan> {
    let inside = |path: &str| folders.iter().any(|folder| below(folder, path));
    if !part.entangled.is_empty() || !folders.iter().all(|folder| part.folders.contains(*folder)) {
        return None;
    }
    let (new, outside): (Vec<Unit>, Vec<Unit>) = part
        .units
        .into_iter()
        .partition(|unit| inside(&unit.object));
    if outside
        .iter()
        .any(|unit| plan.unit(&unit.object) != Some(unit))
    {
        return None;
    }
    let mut units: Vec<Unit> = plan
        .units
        .iter()
        .filter(|unit| !inside(&unit.object))
        .cloned()
        .chain(new)
        .collect();
    units.sort_by(|a, b| a.object.cmp(&b.object));
    let mut visited: BTreeSet<String> = plan
        .folders
        .iter()
        .filter(|folder| !inside(folder))
        .cloned()
        .collect();
    visited.extend(part.folders.into_iter().filter(|folder| inside(folder)));
    Some(Plan {
        units,
        folders: visited,
        ..plan.clone_without_units()
    })
}

/// Whether a path is the folder or lies in it.
fn below(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn touches(a: &str, b: &str) -> bool {
    below(a, b) || below(b, a)
}

/// The folders that lie in no other of them.
fn outermost(folders: &BTreeSet<String>) -> Vec<&str> {
    let mut kept: Vec<&str> = Vec::new();
    for folder in folders {
        if !kept.iter().any(|outer| below(outer, folder)) {
            kept.push(folder);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpp::Call;
    use crate::kbuild::Language;

    fn unit(object: &str, arg: &str) -> Unit {
        Unit {
            object: object.to_owned(),
            source: object.replace(".o", ".c"),
            generated: false,
            language: Language::C,
            call: Call {
                program: vec!["gcc".to_owned()],
                args: vec![arg.into()],
                source: object.replace(".o", ".c"),
                cwd: "/o".into(),
            },
            module: "vmlinux".to_owned(),
            prototypes: None,
        }
    }

    fn plan(units: &[(&str, &str)], folders: &[&str]) -> Plan {
        Plan {
            units: units
                .iter()
                .map(|(object, arg)| unit(object, arg))
                .collect(),
            folders: folders.iter().map(|&folder| folder.to_owned()).collect(),
            ..Plan::default()
        }
    }

    /// Units and folders of the planned folders are replaced, and others stay; `lib2` is not in `lib`.
    #[test]
    fn splices_folders() {
        let old = plan(
            &[
                ("a.o", ""),
                ("lib/a.o", ""),
                ("lib/m/b.o", ""),
                ("lib2/c.o", ""),
            ],
            &[".", "lib", "lib/m", "lib2"],
        );
        let part = plan(&[("lib/a.o", "-DX"), ("lib/z.o", "")], &[".", "lib"]);
        let new = splice(&old, part, &["lib"]).unwrap();
        assert_eq!(
            new,
            plan(
                &[
                    ("a.o", ""),
                    ("lib/a.o", "-DX"),
                    ("lib/z.o", ""),
                    ("lib2/c.o", "")
                ],
                &[".", "lib", "lib2"],
            )
        );
    }

    /// What the folder's dry run says of other folders must be known already, and it must go into the folder.
    #[test]
    fn refuses_what_reaches_further() {
        let old = plan(&[("lib/a.o", ""), ("mm/c.o", "")], &["lib", "mm"]);
        let known = plan(&[("lib/a.o", ""), ("mm/c.o", "")], &["lib"]);
        assert_eq!(splice(&old, known, &["lib"]), Some(old.clone()));
        let other = plan(&[("lib/a.o", ""), ("mm/c.o", "-DX")], &["lib"]);
        assert_eq!(splice(&old, other, &["lib"]), None);
        let new = plan(&[("lib/a.o", ""), ("fs/d.o", "")], &["lib"]);
        assert_eq!(splice(&old, new, &["lib"]), None);
        assert_eq!(splice(&old, plan(&[], &[]), &["lib"]), None);
        let mut tangled = plan(&[("lib/a.o", "")], &["lib"]);
        tangled.entangled.insert("mm".to_owned());
        assert_eq!(splice(&old, tangled, &["lib"]), None);
    }

    /// A folder inside another one needs no dry run of its own.
    #[test]
    fn keeps_outermost_folders() {
        let folders = ["lib", "lib/math", "lib2", "mm"].map(str::to_owned).into();
        assert_eq!(outermost(&folders), ["lib", "lib2", "mm"]);
    }
}
