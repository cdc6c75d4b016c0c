//! An object tree that stands for the commit in the work area.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::scope::{Reach, Rules, Work, is_kconfig};
use super::state::{OBJ, base_name, generated_headers};
use super::{Fingerprint, Progress, Settings, SnapshotError};
use crate::cpp::{Builtin, Engine, EngineKind, ExportOverlay, Gcc, GccLimits};
use crate::genksyms::Profile;
use crate::history::PathChange;
use crate::kbuild::{
    Compiler, Config, Frame, Inputs, Mentions, Names, OPTION_MACROS, ObjectTree, Plan, StoredPlan,
    is_makefile, tells_blank,
};

/// An object tree that stands for the commit in the work area, with what was learned on the way.
pub(super) struct Prepared {
    pub(super) tree: ObjectTree,
    pub(super) cpp: Engine,
    engine: EngineKind,
    pub(super) config: Config,
    pub(super) plan: Plan,
    pub(super) profile: Profile,
    compiler: Compiler,
    /// Objects that were made because only their rules make a file that their unit reads.
    made: BTreeSet<String>,
    /// What preparing made things of, and what making these objects did.
    inputs: Inputs,
    made_inputs: Inputs,
    mentions: Mentions,
    /// What the top Makefile hands down.
    frame: Frame,
    options: OptionChanges,
}

/// What preparing did to the header that defines all options, since that was asked for last.
#[derive(Default)]
enum OptionChanges {
    /// Nothing was prepared.
    #[default]
    Untouched,
    /// These options have other values, and nothing else is another one.
    Known(Names),
    Unknown,
}

/// A prepared object tree in the form in which it is kept between runs.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredPrepared {
    config: Config,
    plan: StoredPlan,
    compiler: Compiler,
    made: BTreeSet<String>,
    inputs: Inputs,
    made_inputs: Inputs,
    mentions: Mentions,
    frame: Frame,
}

/// What a prepared object tree has that is not kept between runs.
pub(super) struct Tools {
    tree: ObjectTree,
    cpp: Engine,
    engine: EngineKind,
    profile: Profile,
    compiler: Compiler,
}

impl Tools {
    /// Asks the compiler what it is; both folders must be there.
    pub(super) fn find(
        src: &Path,
        obj: &Path,
        settings: &Settings,
    ) -> Result<Tools, SnapshotError> {
        let tree = ObjectTree::new(src.to_owned(), obj.to_owned(), settings.make.clone())?;
        Ok(Tools {
            compiler: tree.compiler()?,
            cpp: engine(&tree, settings.cpp)?,
            profile: profile(src)?,
            tree,
            engine: settings.cpp,
        })
    }
}

impl Prepared {
    /// What is kept between runs, beside the object tree itself; nothing if that cannot be stored.
    pub(super) fn stored(&self) -> Option<StoredPrepared> {
        Some(StoredPrepared {
            config: self.config.clone(),
            plan: self.plan.stored()?,
            compiler: self.compiler.clone(),
            made: self.made.clone(),
            inputs: self.inputs.clone(),
            made_inputs: self.made_inputs.clone(),
            mentions: self.mentions.clone(),
            frame: self.frame.clone(),
        })
    }

    /// An object tree that an earlier run prepared; nothing if the compiler is another one now, or what was stored does
    /// not fit together.
    pub(super) fn restore(tools: Tools, stored: StoredPrepared) -> Option<Prepared> {
        let plan = Plan::restore(stored.plan).filter(|_| tools.compiler == stored.compiler)?;
        Some(Prepared {
            cpp: tools.cpp,
            profile: tools.profile,
            tree: tools.tree,
            engine: tools.engine,
            config: stored.config,
            plan,
            compiler: tools.compiler,
            made: stored.made,
            inputs: stored.inputs,
            made_inputs: stored.made_inputs,
            mentions: stored.mentions,
            frame: stored.frame,
            options: OptionChanges::default(),
        })
    }

    /// Configures, prepares and plans in an empty object folder; `paths` are the files of the source tree.
    pub(super) fn new<'p>(
        src: &Path,
        obj: &Path,
        paths: impl Iterator<Item = &'p str>,
        settings: &Settings,
        progress: &dyn Progress,
    ) -> Result<Prepared, SnapshotError> {
        let tree = ObjectTree::new(src.to_owned(), obj.to_owned(), settings.make.clone())?;
        let profile = profile(src)?;
        progress.phase("configure");
        let config = tree.configure(&settings.config)?.config;
        acceptable(&config)?;
        progress.phase("prepare");
        tree.prepare()?;
        progress.phase("plan");
        let plan = tree.plan()?;
        let compiler = tree.compiler()?;
        let cpp = engine(&tree, settings.cpp)?;
        let mut prepared = Prepared {
            inputs: tree.inputs(None)?,
            made_inputs: Inputs::default(),
            mentions: Mentions::default(),
            frame: tree.frame()?,
            options: OptionChanges::default(),
            tree,
            cpp,
            engine: settings.cpp,
            config,
            plan,
            profile,
            compiler,
            made: BTreeSet::new(),
        };
        prepared.read_rules(paths)?;
        prepared.read_generators()?;
        Ok(prepared)
    }

    /// What the changes of a checkout mean for the object tree.
    pub(super) fn work(&mut self, changes: &[PathChange]) -> Result<Work, SnapshotError> {
        let there = changes.iter().filter(|change| change.new.is_some());
        let there: Vec<&str> = there.map(|change| change.path.as_str()).collect();
        self.read_rules(there.iter().copied())?;
        let generators: Vec<&str> = there
            .into_iter()
            .filter(|path| {
                path.ends_with(".c") && (self.inputs.reads(path) || self.made_inputs.reads(path))
            })
            .collect();
        for path in generators {
            self.mentions.add(&self.read(path)?, path);
        }
        let rules = Rules {
            arch: self.tree.arch(),
            plan: &self.plan,
            planned: self
                .plan
                .units
                .iter()
                .map(|unit| unit.source.as_str())
                .collect(),
            prepared: &self.inputs,
            made: &self.made_inputs,
            made_objects: &self.made,
            mentions: &self.mentions,
        };
        let mut work = changes
            .iter()
            .map(|change| rules.work(&change.path, change.old.is_some() != change.new.is_some()))
            .fold(Work::default(), Work::and);
        if work.configure && self.may_retype(changes)? {
            work.prepare = true;
        }
        Ok(work)
    }

    /// Whether a changed Kconfig file may make a number hexadecimal, or one decimal that was hexadecimal: a configuration
    /// does not show that, and the header of all options does.
    fn may_retype(&self, changes: &[PathChange]) -> Result<bool, SnapshotError> {
        let macros = self.tree.option_macros()?.unwrap_or_default();
        let bare = bare_hex(&macros, &self.config);
        for change in changes {
            if !is_kconfig(&change.path) {
                continue;
            }
            // Nobody knows what a file said that is gone.
            if change.new.is_none() {
                return Ok(true);
            }
            let text = self.read(&change.path)?;
            let mut words = bare.iter().map(String::as_str).chain(["hex"]);
            if words.any(|word| memchr::memmem::find(&text, word.as_bytes()).is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Does `work` in the object tree as it is; what could not be finished stays in `work`. The objects whose units are
    /// other ones then are added to `stale`. `paths` are the files of the source tree.
    pub(super) fn update(
        &mut self,
        work: &mut Work,
        stale: &mut HashSet<String>,
        paths: &[&str],
        settings: &Settings,
        progress: &dyn Progress,
    ) -> Result<(), SnapshotError> {
        if work.configure {
            progress.phase("configure");
            self.configure(work, settings, progress)?;
        }
        if work.prepare {
            progress.phase("prepare");
            self.prepare(work, paths)?;
        }
        if work.plan != Reach::No {
            progress.phase("plan");
            let plan = self.replan(&work.plan)?;
            stale.extend(differing(&self.plan, &plan));
            self.plan = plan;
        }
        if work.objects != Reach::No {
            progress.phase("make generated sources");
            let planned: HashSet<&str> = self
                .plan
                .units
                .iter()
                .map(|unit| unit.object.as_str())
                .collect();
            self.made.retain(|object| planned.contains(object.as_str()));
            let reached = self.made.iter().filter(|object| work.objects.holds(object));
            self.make(reached.cloned().collect())?;
        }
        *work = Work::default();
        Ok(())
    }

    /// Finds the configuration again and, if it is another one, has everything done again that may depend on it.
    fn configure(
        &mut self,
        work: &mut Work,
        settings: &Settings,
        progress: &dyn Progress,
    ) -> Result<(), SnapshotError> {
        // The release stands in the top Makefile.
        let (src, obj) = (self.tree.src().to_owned(), self.tree.obj().to_owned());
        self.tree = ObjectTree::new(src, obj, settings.make.clone())?;
        let config = self.tree.configure_aside(&settings.config)?.config;
        acceptable(&config)?;
        let differences = self.config.difference(&config);
        // Of the same values preparing makes the same.
        work.prepare |= !differences.is_empty();
        if self.config != config {
            self.tree.adopt_configuration()?;
            // An option that is off may be listed or not: a build does not see which.
            if !differences.is_empty() {
                progress.configuration(&differences);
            }
            self.config = config;
        }
        Ok(())
    }

    fn prepare(&mut self, work: &mut Work, paths: &[&str]) -> Result<(), SnapshotError> {
        // What a failure on the way leaves behind is not known, so the next time everything is done.
        let asked = std::mem::take(work);
        *work = asked.clone().and(Work::all());
        let mut follows = Work::default();
        let settled = self.tree.settled_config()?;
        let (macros, made) = (self.tree.option_macros()?, generated(&self.tree));
        let before = std::mem::replace(&mut self.options, OptionChanges::Unknown);
        self.tree.prepare()?;
        let options = changed_options(settled, self.tree.settled_config()?);
        let is_same = options.as_ref().is_some_and(Names::is_empty);
        if asked.frame || !is_same {
            let frame = self.tree.frame()?;
            let handed_down = self.frame.differences(&frame);
            self.frame = frame;
            follows = match options.zip(handed_down) {
                // Makefiles compute names of variables, so none tells that it does not use one.
                Some((options, handed))
                    if handed.values.is_empty() && !self.tell(&handed.blank, paths)? =>
                {
                    self.reached(&options, &made, paths)?
                }
                _ => Work::all(),
            };
        }
        self.options = match (before, changed_options(macros, self.tree.option_macros()?)) {
            (OptionChanges::Untouched, Some(changed)) => OptionChanges::Known(changed),
            (OptionChanges::Known(mut all), Some(changed)) => {
                all.extend(changed);
                OptionChanges::Known(all)
            }
            _ => OptionChanges::Unknown,
        };
        self.profile = profile(self.tree.src())?;
        self.cpp = engine(&self.tree, self.engine)?;
        self.inputs = self.tree.inputs(Some(&self.made_inputs))?;
        self.read_generators()?;
        *work = asked.and(follows);
        Ok(())
    }

    /// What follows from other values of options, and from generated headers that are other ones than before.
    fn reached(
        &self,
        options: &Names,
        before: &BTreeMap<String, Option<blake3::Hash>>,
        paths: &[&str],
    ) -> Result<Work, SnapshotError> {
        let plan = self.users(options, paths)?;
        let now = generated(&self.tree);
        let headers = before.keys().chain(now.keys());
        let mut headers = headers.filter(|name| before.get(*name) != now.get(*name));
        // Who reads the header of all options names those that matter to it.
        let is_made_anew = headers.any(|name| {
            let is_named = match before.contains_key(name) {
                true => self.mentions.names(name),
                false => self.made_inputs.reads_name(name),
            };
            !name.ends_with(OPTION_MACROS) && (is_named || self.made_inputs.reads_generated(name))
        }) || self.options_make_anew(options)?;
        Ok(Work {
            objects: if is_made_anew {
                Reach::Whole
            } else {
                plan.clone()
            },
            plan,
            ..Work::default()
        })
    }

    /// Whether what makes the sources that only rules of objects make uses one of the options.
    fn options_make_anew(&self, options: &Names) -> Result<bool, SnapshotError> {
        for path in self.made_inputs.files() {
            let text = self.read(path)?;
            let uses = match path.ends_with(".c") || path.ends_with(".h") {
                true => options.are_in_c(&text),
                false => options.are_in(&text),
            };
            if uses {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The folders whose Makefiles use one of the names. What the top Makefile makes of them is in the frame.
    fn users(&self, names: &Names, paths: &[&str]) -> Result<Reach, SnapshotError> {
        let mut reach = Reach::No;
        for path in paths {
            let of_makefile = self.serves(path);
            if of_makefile != Reach::No && names.are_in(&self.read(path)?) {
                reach = reach.and(of_makefile);
            }
        }
        Ok(reach)
    }

    /// Whether a build tells one of these variables without a value from one that is not there.
    fn tell(&self, names: &Names, paths: &[&str]) -> Result<bool, SnapshotError> {
        if names.is_empty() {
            return Ok(false);
        }
        for path in paths {
            let is_makefile = is_makefile(base_name(path));
            let counts = self.serves(path) != Reach::No
                || path.starts_with("scripts/")
                || (!is_makefile && Mentions::counts(path, self.tree.arch()));
            if counts && tells_blank(names, &self.read(path)?, is_makefile) {
                return Ok(true);
            }
        }
        // What makes the sources that only rules of objects make may ask for its environment.
        for path in self.made_inputs.files() {
            if tells_blank(names, &self.read(path)?, is_makefile(base_name(path))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where the rules of a file serve, if it is a Makefile below the top one.
    fn serves(&self, path: &str) -> Reach {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        // Of the architectures' own Makefiles one is included, by the top one.
        let of_arch = name == "Makefile"
            && folder
                .strip_prefix("arch/")
                .is_some_and(|arch| !arch.contains('/'));
        if !is_makefile(name) || path == "Makefile" || of_arch {
            return Reach::No;
        }
        let everywhere = folder.is_empty() || folder == "scripts" || self.mentions.includes(path);
        let visited = matches!(name, "Makefile" | "Kbuild") && self.plan.folders.contains(folder);
        match (everywhere, visited) {
            (true, _) => Reach::Whole,
            (false, true) => Reach::folder(folder),
            (false, false) => Reach::No,
        }
    }

    /// The options that changed since the last time, if something was prepared and it is known which.
    pub(super) fn take_options(&mut self) -> Option<Names> {
        match std::mem::take(&mut self.options) {
            OptionChanges::Known(names) => Some(names),
            OptionChanges::Untouched | OptionChanges::Unknown => None,
        }
    }

    fn replan(&self, replan: &Reach) -> Result<Plan, SnapshotError> {
        if let Reach::Folders(folders) = replan
            && let Some(plan) = self.tree.replan(&self.plan, folders)?
        {
            return Ok(plan);
        }
        Ok(self.tree.plan()?)
    }

    /// Makes these objects for the files that only their rules make.
    pub(super) fn make(&mut self, objects: BTreeSet<String>) -> Result<(), SnapshotError> {
        // A failing compile is told by the preprocessor, if it matters.
        let words: Vec<&str> = objects.iter().map(String::as_str).collect();
        self.tree.make_objects(&words)?;
        self.made.extend(objects);
        self.made_inputs = self.tree.inputs(Some(&self.inputs))?;
        self.read_generators()
    }

    /// Takes the texts of those of the files that hold rules or are scripts.
    fn read_rules<'p>(
        &mut self,
        paths: impl Iterator<Item = &'p str>,
    ) -> Result<(), SnapshotError> {
        for path in paths {
            if Mentions::counts(path, self.tree.arch()) {
                let text = self.read(path)?;
                self.mentions.add(&text, path);
            }
        }
        Ok(())
    }

    /// Takes the texts of all programs that make something.
    fn read_generators(&mut self) -> Result<(), SnapshotError> {
        let sources: BTreeSet<String> = [&self.inputs, &self.made_inputs]
            .into_iter()
            .flat_map(Inputs::files)
            .filter(|path| path.ends_with(".c"))
            .map(str::to_owned)
            .collect();
        for path in sources {
            let text = self.read(&path)?;
            self.mentions.add(&text, &path);
        }
        Ok(())
    }

    /// A file of the source tree; nothing if there is none, or a link that leads nowhere.
    fn read(&self, path: &str) -> Result<Vec<u8>, SnapshotError> {
        let path = self.tree.src().join(path);
        match fs::read(&path) {
            Ok(bytes) => Ok(bytes),
            Err(_) if !path.is_file() => Ok(Vec::new()),
            Err(source) => Err(SnapshotError::Io { path, source }),
        }
    }

    /// The objects whose units are other ones in a newer object tree.
    pub(super) fn differing(&self, newer: &Prepared) -> HashSet<String> {
        differing(&self.plan, &newer.plan)
    }

    /// What decides results and stands neither in an argument nor in a file of the kernel.
    pub(super) fn identity(&self) -> String {
        format!(
            "{} {} {} {} {}",
            env!("CARGO_PKG_VERSION"),
            self.engine.name(),
            self.compiler.version,
            self.compiler.machine,
            self.profile.id()
        )
    }

    pub(super) fn fingerprint(&self) -> Result<Fingerprint, SnapshotError> {
        let release = self.tree.release()?;
        Ok(Fingerprint {
            release: release.release.unwrap_or(release.version),
            arch: self.tree.arch().to_owned(),
            config: self.config.digest(),
            compiler_family: self.compiler.family.name().to_owned(),
            compiler: self.compiler.version.clone(),
            algorithm: "genksyms".to_owned(),
            grammar: self.profile.id(),
        })
    }
}

/// Refuses configurations without exports, or whose CRCs are not computed by genksyms.
fn acceptable(config: &Config) -> Result<(), SnapshotError> {
    if config.is_yes("CONFIG_GENDWARFKSYMS") {
        return Err(SnapshotError::Algorithm);
    }
    if !config.is_yes("CONFIG_MODULES") {
        return Err(SnapshotError::NoModules);
    }
    Ok(())
}

/// The options that differ between two texts of settings, if both are there and nothing else differs.
fn changed_options(old: Option<Vec<u8>>, new: Option<Vec<u8>>) -> Option<Names> {
    Names::of_changed_options(&old?, &new?)
}

/// The options, without `CONFIG_`, whose numbers only their types make hexadecimal: the configuration leaves out the `0x` that
/// the header of all options has.
fn bare_hex(macros: &[u8], config: &Config) -> Vec<String> {
    let bare = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (option, value) = (words.next()?, words.next()?);
        let is_bare = value.starts_with("0x") && config.get(option) != Some(value);
        is_bare.then(|| option.trim_start_matches("CONFIG_").to_owned())
    };
    String::from_utf8_lossy(macros)
        .lines()
        .filter_map(bare)
        .collect()
}

/// Digests of the headers in the object tree.
fn generated(tree: &ObjectTree) -> BTreeMap<String, Option<blake3::Hash>> {
    let digest = |path: &Path| fs::read(path).ok().map(|bytes| blake3::hash(&bytes));
    let headers = generated_headers(tree.obj()).into_iter();
    headers
        .map(|name| {
            let path = tree.obj().join(name.strip_prefix(OBJ).unwrap_or(&name));
            (name, digest(&path))
        })
        .collect()
}

/// The objects whose units differ between two plans.
fn differing(old: &Plan, new: &Plan) -> HashSet<String> {
    let changed = new
        .units
        .iter()
        .filter(|unit| old.unit(&unit.object) != Some(unit));
    changed.map(|unit| unit.object.clone()).collect()
}

fn engine(tree: &ObjectTree, kind: EngineKind) -> Result<Engine, SnapshotError> {
    let overlay = ExportOverlay::create(tree.src(), &tree.obj().join(".kabigate").join("overlay"))?;
    let environment = tree.environment();
    let gcc = Gcc::new(
        environment.clone(),
        Some(overlay.clone()),
        GccLimits::default(),
    );
    Ok(match kind {
        EngineKind::Gcc => Engine::Gcc(gcc),
        EngineKind::Builtin => {
            let roots = [tree.src(), tree.obj()];
            let builtin =
                Builtin::new(environment, Some(overlay), gcc, &roots).map_err(|error| {
                    SnapshotError::Io {
                        path: tree.src().to_owned(),
                        source: std::io::Error::other(error),
                    }
                })?;
            Engine::Builtin(Box::new(builtin))
        }
    })
}

/// Detects the grammar from the tree's own genksyms.
fn profile(src: &Path) -> Result<Profile, SnapshotError> {
    let folder = src.join("scripts/genksyms");
    let io = |source| SnapshotError::Io {
        path: folder.clone(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_type().map_err(io)?.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, fs::read(entry.path()).map_err(io)?));
        }
    }
    files.sort();
    Ok(Profile::detect(&files)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number without its prefix is only known as hexadecimal by its type.
    #[test]
    fn hexadecimal_numbers() {
        let config = Config::parse(b"CONFIG_A=0x10\nCONFIG_B=10\nCONFIG_C=10\n", "x").unwrap();
        let macros =
            b"/*\n * x\n */\n#define CONFIG_A 0x10\n#define CONFIG_B 10\n#define CONFIG_C 0x10\n";
        assert_eq!(bare_hex(macros, &config), ["C"]);
    }
}
