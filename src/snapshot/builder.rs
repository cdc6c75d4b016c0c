//! Computes one commit after the other in one work area, each for what it changed.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::area::Area;
use super::assemble::{Parts, assemble};
use super::kept::Kept;
use super::prepared::Prepared;
use super::scope::Work;
use super::source::folder_blobs;
use super::stale::{Stale, changes};
use super::state::{FileStates, Places};
use super::unit::StoredDefinition;
use super::units::{Known, Outcome, UnitRun};
use super::{Counters, Progress, Snapshot, SnapshotError, Source, UnitCache, UnitFailure};
use crate::cpp::EngineKind;
use crate::cpp::child::is_stopped;
use crate::genksyms::Memory;
use crate::history::{PathChange, remove_tree};
use crate::kbuild::{ConfigSource, MakeOptions, Unit};

/// How snapshots are computed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What Kbuild is told.
    pub make: MakeOptions,
    /// The configuration.
    pub config: ConfigSource,
    /// What preprocesses units.
    pub cpp: EngineKind,
    /// Results of units that are kept between runs. Without it every snapshot is computed from scratch.
    pub cache: Option<UnitCache>,
    /// Units that are computed at a time; 0 stands for one per core.
    pub jobs: usize,
    /// Folder in which a private work area is made.
    pub work: PathBuf,
    /// Whether the work area stays in the cache for the next run, if there is a cache that may be written.
    pub keeps_area: bool,
}

/// Computes snapshots in one work area, which is left for the next run if the settings say so.
pub struct Builder<'a> {
    settings: Settings,
    pub(super) progress: &'a dyn Progress,
    pub(super) pool: rayon::ThreadPool,
    area: Area,
    pub(super) kept: Option<Kept>,
    /// Whether what is kept stands for the last commit.
    is_sound: bool,
}

impl Drop for Builder<'_> {
    fn drop(&mut self) {
        let kept = self
            .kept
            .as_ref()
            .filter(|_| self.is_sound && !is_stopped());
        self.pool.install(|| self.area.close(kept));
        // Freeing it piece by piece takes as long as storing it, and nobody needs to wait for that.
        let kept = self.kept.take();
        let _ = std::thread::Builder::new().spawn(move || drop(kept));
    }
}

impl<'a> Builder<'a> {
    /// Makes a work area in the settings' folder.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub fn new(
        settings: Settings,
        progress: &'a dyn Progress,
    ) -> Result<Builder<'a>, SnapshotError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(settings.jobs)
            .build()
            .map_err(|error| SnapshotError::Io {
                path: settings.work.clone(),
                source: std::io::Error::other(error),
            })?;
        let (area, kept) = pool.install(|| Area::open(&settings))?;
        Ok(Builder {
            settings,
            progress,
            pool,
            area,
            kept,
            is_sound: false,
        })
    }

    /// Leaves the work area in place when the builder is dropped and names it: `src` and `obj` in it hold the last
    /// commit, prepared for building modules against it.
    pub fn keep_work_area(&mut self) -> PathBuf {
        self.area.work.keep();
        self.area.work.path().to_owned()
    }

    /// Takes the work area's own path out of a text, as it is another one in every run.
    #[must_use]
    pub fn portable(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (folder, name) in [
            (self.area.work.src(), ""),
            (self.area.work.obj(), "$OBJ/"),
            (self.area.work.path(), "$WORK/"),
        ] {
            let folder = folder.to_string_lossy();
            text = text
                .replace(&format!("{folder}/"), name)
                .replace(&*folder, name.trim_end_matches('/'));
        }
        text
    }

    /// Who hears what the builder does.
    #[must_use]
    pub fn progress(&self) -> &'a dyn Progress {
        self.progress
    }

    /// The sources and headers of the last commit that mention `__GENKSYMS__`, by path.
    #[must_use]
    pub fn mentioning_genksyms(&self) -> BTreeSet<String> {
        let kept = self.kept.as_ref();
        kept.map(|kept| kept.scans.mentioning().clone())
            .unwrap_or_default()
    }

    /// The object tree of the last snapshot.
    #[must_use]
    pub fn object_tree(&self) -> &Path {
        self.area.work.obj()
    }

    /// Computes the snapshot of a commit or a folder.
    ///
    /// # Errors
    /// If the commit cannot be read, configured, prepared, planned or preprocessed. What is kept of the commits before
    /// stays sound, and serves the next one.
    pub fn snapshot(&mut self, source: Source<'_>) -> Result<Snapshot, SnapshotError> {
        if self.settings.cache.is_none() {
            self.kept = None;
        }
        self.is_sound = false;
        let mut counters = Counters::default();
        self.progress.phase("check out");
        let (src, changes) = self.check_out(source, &mut counters)?;
        let places = Places::new(&src, self.area.work.obj());
        let mut kept = match self.kept.take() {
            Some(kept) if *kept.files.places() == places => kept,
            _ => Kept::new(places),
        };
        let result = self.advance(&src, &changes, &mut kept, &mut counters);
        if is_stopped() {
            return Err(SnapshotError::Interrupted);
        }
        self.kept = Some(kept);
        let mut snapshot = result?;
        self.is_sound = true;
        for warning in &mut snapshot.warnings {
            *warning = self.portable(warning);
        }
        self.progress.done(&counters);
        Ok(snapshot)
    }

    /// Brings the source folder to the commit; hands back it and what changed against what is kept.
    fn check_out(
        &mut self,
        source: Source<'_>,
        counters: &mut Counters,
    ) -> Result<(PathBuf, Vec<PathChange>), SnapshotError> {
        let known = self.kept.as_ref().map(|kept| kept.files.blobs());
        match source {
            Source::Commit { repo, commit } => {
                let summary = self
                    .pool
                    .install(|| self.area.work.checkout(repo, commit))?;
                counters.written = summary.written;
                self.area.touch(&summary.changes);
                let src = self.area.work.src().to_owned();
                let follows = known.is_some_and(|known| known.is_empty() == summary.from_empty);
                let changes = if follows {
                    summary.changes
                } else {
                    changes(known, self.area.work.blobs())
                };
                Ok((src, changes))
            }
            Source::Folder(folder) => {
                let folder = std::path::absolute(folder).map_err(|source| SnapshotError::Io {
                    path: folder.to_owned(),
                    source,
                })?;
                let blobs = self.pool.install(|| folder_blobs(&folder))?;
                let changes = changes(known, &blobs);
                Ok((folder, changes))
            }
        }
    }

    /// From a checkout to its snapshot.
    fn advance(
        &self,
        src: &Path,
        changes: &[PathChange],
        kept: &mut Kept,
        counters: &mut Counters,
    ) -> Result<Snapshot, SnapshotError> {
        self.progress.phase("scan");
        if let Err(error) = self.pool.install(|| kept.scans.read(src, changes)) {
            // Scans that lack a change would be wrong for ever.
            *kept = Kept::new(kept.files.places().clone());
            return Err(error);
        }
        let changed = kept.files.check_out(changes, kept.scans.macros());
        kept.stale.files.extend(changed);
        self.prepare(src, changes, kept)?;
        let Looked {
            candidates,
            known,
            definitions,
        } = self.units(kept, counters)?;
        self.progress.phase("assemble");
        let Some(prepared) = &kept.prepared else {
            return Err(no_tree(src));
        };
        let parts = Parts {
            units: &candidates,
            known: &known,
            before: &kept.units,
            definitions: &definitions,
            states: &kept.files,
            moved: &kept.stale.files.moved,
        };
        let snapshot = assemble(prepared, &parts, &mut kept.types)?;
        kept.stale = Stale {
            identity: prepared.identity(),
            ..Stale::default()
        };
        kept.units = known;
        Ok(snapshot)
    }

    /// An object tree for what is checked out: the one that is kept, brought up to date, or a new one where that is not
    /// sound or does not succeed.
    fn prepare(
        &self,
        src: &Path,
        changes: &[PathChange],
        kept: &mut Kept,
    ) -> Result<(), SnapshotError> {
        if let Some(prepared) = &mut kept.prepared {
            // What cannot be judged is done from scratch.
            let work = prepared.work(changes).unwrap_or_else(|_| Work::fresh());
            kept.work = std::mem::take(&mut kept.work).and(work);
            if kept.work == Work::default() {
                return Ok(());
            }
            let paths: Vec<&str> = kept.files.blobs().keys().map(String::as_str).collect();
            if !kept.work.fresh
                && prepared
                    .update(
                        &mut kept.work,
                        &mut kept.stale.objects,
                        &paths,
                        &self.settings,
                        self.progress,
                    )
                    .is_ok()
            {
                let mut stale = kept.files.look_at_generated();
                if let Some(options) = prepared.take_options() {
                    let known = kept.units.values();
                    let files = known.flat_map(|known| known.files.iter()).collect();
                    self.pool
                        .install(|| kept.files.narrow(&mut stale, &options, &files));
                }
                kept.stale.files.extend(stale);
                return Ok(());
            }
        }
        if is_stopped() {
            return Err(SnapshotError::Interrupted);
        }
        // What fails in a used object tree may be the fault of what it held: only a new one tells.
        let (obj, aside) = (self.area.work.obj(), self.area.work.path().join("obj.kept"));
        move_folder(obj, &aside)?;
        let result = std::fs::create_dir(obj)
            .map_err(|source| io(obj, source))
            .and_then(|()| {
                let paths = kept.files.blobs().keys().map(String::as_str);
                Prepared::new(src, obj, paths, &self.settings, self.progress)
            });
        match result {
            Ok(prepared) => {
                remove_folder(&aside)?;
                if let Some(old) = &kept.prepared {
                    kept.stale.objects.extend(old.differing(&prepared));
                }
                kept.prepared = Some(prepared);
                kept.work = Work::default();
                let stale = kept.files.look_at_generated();
                kept.stale.files.extend(stale);
                Ok(())
            }
            Err(error) => {
                remove_folder(obj)?;
                move_folder(&aside, obj)?;
                Err(error)
            }
        }
    }

    /// Looks at all units that may have changed.
    fn units(&self, kept: &mut Kept, counters: &mut Counters) -> Result<Looked, SnapshotError> {
        let Some(prepared) = &mut kept.prepared else {
            return Err(no_tree(self.area.work.src()));
        };
        let index = kept.scans.index(prepared.tree.arch());
        let candidates: Vec<Unit> = prepared
            .plan
            .units
            .iter()
            .filter(|unit| index.is_candidate(unit))
            .cloned()
            .collect();
        counters.objects = prepared.plan.units.len();
        counters.candidates = candidates.len();
        if kept.stale.identity != prepared.identity() {
            kept.units.clear();
        }
        let mut round = Round::default();
        let mut open = Vec::new();
        for unit in &candidates {
            match kept.units.get(&unit.object) {
                Some(known) if !kept.stale.touches(unit, known) => {
                    round.known.insert(unit.object.clone(), known.clone());
                }
                _ => open.push(unit.clone()),
            }
        }
        counters.cached = round.known.len();
        counters.looked_at = open.len();
        self.progress.units(open.len());
        let first = self.look(&open, prepared, &kept.files, &kept.units);
        let needs_object = round.take(first, &open, counters);
        if !needs_object.is_empty() {
            let objects: BTreeSet<String> = needs_object
                .iter()
                .map(|unit| unit.object.clone())
                .collect();
            self.progress.phase("make generated sources");
            prepared.make(objects)?;
            let stale = Stale {
                files: kept.files.look_at_generated(),
                ..Stale::default()
            };
            let again: Vec<Unit> = candidates
                .iter()
                .filter(|unit| {
                    round
                        .known
                        .get(&unit.object)
                        .is_none_or(|known| stale.touches(unit, known))
                })
                .cloned()
                .collect();
            kept.stale.files.extend(stale.files);
            self.progress.units(again.len());
            let second = self.look(&again, prepared, &kept.files, &kept.units);
            round.failures.clear();
            round.take(second, &again, counters);
            round.failures.append(&mut round.open);
        }
        if !round.failures.is_empty() {
            round.failures.sort_by(|a, b| a.object.cmp(&b.object));
            return Err(SnapshotError::Units(round.failures));
        }
        Ok(Looked {
            candidates,
            known: round.known,
            definitions: round.definitions,
        })
    }

    /// Looks at units in parallel; outcomes stand in the order of the units.
    fn look(
        &self,
        units: &[Unit],
        prepared: &Prepared,
        states: &FileStates,
        before: &HashMap<String, Known>,
    ) -> Vec<Outcome> {
        let identity = prepared.identity();
        let cpp = prepared.cpp.session();
        let memory = Memory::new(prepared.profile);
        let run = UnitRun {
            tree: &prepared.tree,
            cpp: &*cpp,
            memory: &memory,
            identity: &identity,
            places: states.places(),
            states,
            cache: self.settings.cache.as_ref(),
        };
        self.pool.install(|| {
            units
                .par_iter()
                .map(|unit| {
                    let outcome = run.look(unit, before.get(&unit.object));
                    if !matches!(outcome, Outcome::NeedsObject(_)) {
                        self.progress.unit_done();
                    }
                    outcome
                })
                .collect()
        })
    }
}

/// What all units of a commit came to.
struct Looked {
    /// The units that can export.
    candidates: Vec<Unit>,
    /// What is known of them.
    known: HashMap<String, Known>,
    /// The definitions of the units that were looked at because they may have changed, by object.
    definitions: HashMap<String, Vec<StoredDefinition>>,
}

/// What looking at all units gave.
#[derive(Default)]
struct Round {
    known: HashMap<String, Known>,
    definitions: HashMap<String, Vec<StoredDefinition>>,
    failures: Vec<UnitFailure>,
    /// Why units need their object made.
    open: Vec<UnitFailure>,
}

impl Round {
    /// Sorts outcomes; hands back the units whose object must be made first.
    fn take(
        &mut self,
        outcomes: Vec<Outcome>,
        units: &[Unit],
        counters: &mut Counters,
    ) -> Vec<Unit> {
        let mut needs_object = Vec::new();
        self.open.clear();
        for (unit, outcome) in units.iter().zip(outcomes) {
            match outcome {
                Outcome::Cached(known, definitions) => {
                    counters.cached += 1;
                    self.take_one(unit, known, definitions);
                }
                Outcome::Computed(known, definitions) => {
                    counters.computed += 1;
                    self.take_one(unit, known, definitions);
                }
                Outcome::NeedsObject(failure) => {
                    needs_object.push(unit.clone());
                    self.open.push(failure);
                }
                Outcome::Failed(failure) => self.failures.push(failure),
            }
        }
        needs_object
    }

    fn take_one(&mut self, unit: &Unit, known: Known, definitions: Vec<StoredDefinition>) {
        self.known.insert(unit.object.clone(), known);
        self.definitions.insert(unit.object.clone(), definitions);
    }
}

fn io(path: &Path, source: std::io::Error) -> SnapshotError {
    SnapshotError::Io {
        path: path.to_owned(),
        source,
    }
}

fn no_tree(path: &Path) -> SnapshotError {
    io(path, std::io::Error::other("no object tree was prepared"))
}

fn move_folder(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    std::fs::rename(from, to).map_err(|source| io(from, source))
}

fn remove_folder(folder: &Path) -> Result<(), SnapshotError> {
    remove_tree(folder).map_err(|source| io(folder, source))
}
