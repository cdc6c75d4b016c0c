//! What the files that units read hold at one commit.
//!
//! A header of the source tree is known by its outline, which leaves out comments and function bodies, any other file of
//! the source tree by its blob id, all else (generated headers, the compiler's own) by a digest of
//! its content. Beyond its content counts which other files have its base name: a new `asm/foo.h` in an earlier include
//! folder takes the place of the one that was read, and nothing that was read would tell. So the state of a file
//! changes whenever a file of its base name appears or goes anywhere, which is rare and safe.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use foldhash::fast::RandomState;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::cache::Key;
use super::unit::{Grain, UnitFacts};
use crate::cpp::Outline;
use crate::history::{BlobId, PathChange};
use crate::kbuild::{Macros, Names, OPTION_MACROS};

/// Bytes of a header that is outlined.
const OUTLINE_LIMIT: u64 = 32 << 20;

/// Names a file independently of where the work area lies.
///
/// `include/linux/fs.h` of the source tree, `$OBJ/include/generated/autoconf.h` of the object tree, or an absolute path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    src: PathBuf,
    obj: PathBuf,
}

/// A portable name; equal names of one [`FileStates`] share their text, as thousands of units read the same headers.
pub(super) type FileName = Arc<str>;

/// What stands for the object tree.
pub(super) const OBJ: &str = "$OBJ/";

impl Places {
    pub(super) fn new(src: &Path, obj: &Path) -> Places {
        Places {
            src: src.to_owned(),
            obj: obj.to_owned(),
        }
    }

    pub(super) fn src(&self) -> &Path {
        &self.src
    }

    /// The portable name of a path that a program printed; relative paths start at the object tree.
    pub(super) fn name(&self, path: &Path) -> String {
        let path = normalise(&self.obj.join(path));
        if let Ok(inside) = path.strip_prefix(&self.src) {
            return inside.to_string_lossy().into_owned();
        }
        match path.strip_prefix(&self.obj) {
            Ok(inside) => format!("{OBJ}{}", inside.to_string_lossy()),
            Err(_) => path.to_string_lossy().into_owned(),
        }
    }

    /// Replaces the paths of both trees in an argument.
    pub(super) fn portable(&self, argument: &str) -> String {
        argument
            .replace(&*self.src.to_string_lossy(), "$SRC")
            .replace(&*self.obj.to_string_lossy(), "$OBJ")
    }

    fn path(&self, name: &str) -> PathBuf {
        match name.strip_prefix(OBJ) {
            Some(inside) => self.obj.join(inside),
            // An absolute name replaces the folder it is joined to.
            None => self.src.join(name),
        }
    }
}

/// Resolves `.` and `..` by the text of the path: preprocessors print them as they stand in include arguments.
fn normalise(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            other => out.push(other),
        }
    }
    out
}

/// The state of every file at the commit that is checked out, kept from commit to commit.
pub(super) struct FileStates {
    places: Places,
    blobs: HashMap<String, BlobId>,
    /// All paths by base name, sorted: those of the source tree, and the headers of the object tree.
    names: HashMap<String, Vec<String>>,
    /// The headers of the object tree.
    generated: BTreeSet<String>,
    macros: Arc<Macros>,
    /// States that were asked for.
    known: Mutex<HashMap<String, State, RandomState>>,
    /// The names of files that units read.
    interned: Mutex<HashSet<FileName, RandomState>>,
    /// The same by the paths that preprocessors print.
    printed: Mutex<HashMap<OsString, FileName, RandomState>>,
}

/// The states in the form in which they are kept between runs; what the source tree holds is kept elsewhere.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredStates {
    generated: BTreeSet<String>,
    known: HashMap<String, State, RandomState>,
}

/// What one file holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    /// All that can reach a declaration of a C unit that never asks for the number of a line.
    lineless: Key,
    /// All that can reach a declaration of a C unit.
    outline: Key,
    /// Every byte.
    exact: Key,
    /// For a header of the source tree: the lines on which what counts stands.
    lines: Option<Arc<Outline>>,
}

/// What a step changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Changed {
    /// Files that have another state.
    pub(super) stale: HashSet<String>,
    /// Headers in which what counts is the same, but perhaps for the numbers of lines, with their outlines before and now.
    pub(super) moved: BTreeMap<String, (Arc<Outline>, Arc<Outline>)>,
    /// The files that use one of the options that changed, where it is known which these are: then the header that defines
    /// all options is not among the stale ones.
    pub(super) users: Option<HashSet<FileName>>,
}

/// The header that defines all options.
fn options_header() -> String {
    format!("{OBJ}{OPTION_MACROS}")
}

impl Changed {
    /// Takes what changed after that.
    pub(super) fn extend(&mut self, later: Changed) {
        self.stale.extend(later.stale);
        if let Some(users) = later.users {
            self.users.get_or_insert_default().extend(users);
        }
        for (file, (old, new)) in later.moved {
            self.moved
                .entry(file)
                .and_modify(|moved| moved.1 = Arc::clone(&new))
                .or_insert((old, new));
        }
    }
}

impl FileStates {
    /// Narrows a change of the header that defines all options down to the files that use one of `options`, out of `files`.
    pub(super) fn narrow(
        &self,
        changed: &mut Changed,
        options: &Names,
        files: &HashSet<&FileName>,
    ) {
        if !changed.stale.remove(&options_header()) {
            return;
        }
        let header = options_header();
        let uses = |file: &FileName| match fs::read(self.places.path(file)) {
            // The header names every option that is on, and uses none.
            Ok(text) => **file != *header && options.are_in_c(&text),
            Err(_) => true,
        };
        let files = files.par_iter().filter(|_| !options.is_empty());
        let users = files.filter(|file| uses(file));
        changed.users = Some(users.map(|file| FileName::clone(file)).collect());
    }

    /// Of no file yet.
    pub(super) fn new(places: Places) -> Self {
        FileStates {
            places,
            blobs: HashMap::new(),
            names: HashMap::new(),
            generated: BTreeSet::new(),
            macros: Arc::default(),
            known: Mutex::default(),
            interned: Mutex::default(),
            printed: Mutex::default(),
        }
    }

    /// What is kept between runs.
    pub(super) fn stored(&self) -> StoredStates {
        StoredStates {
            generated: self.generated.clone(),
            known: self.lock().clone(),
        }
    }

    /// The states that an earlier run knew, with what has another state since, outside of the source tree.
    pub(super) fn restore<'a>(
        places: Places,
        blobs: impl Iterator<Item = (&'a String, &'a BlobId)>,
        macros: &Arc<Macros>,
        stored: StoredStates,
    ) -> (FileStates, Changed) {
        let mut states = FileStates {
            blobs: blobs.map(|(path, blob)| (path.clone(), *blob)).collect(),
            macros: Arc::clone(macros),
            known: Mutex::new(stored.known),
            ..FileStates::new(places)
        };
        let paths = states.blobs.keys().chain(&stored.generated);
        for path in paths {
            let of_name = states.names.entry(base_name(path).to_owned()).or_default();
            insert(of_name, path);
        }
        states.generated = stored.generated;
        let mut changed = states.look_at(|name| name.starts_with('/'));
        changed.extend(states.look_at_generated());
        (states, changed)
    }

    /// The portable name of a path that a program printed.
    pub(super) fn name(&self, path: &Path) -> FileName {
        // INVARIANT: no code panics while it holds the lock, so it is never poisoned.
        let mut printed = self.printed.lock().expect("names are not poisoned");
        if let Some(known) = printed.get(path.as_os_str()) {
            return Arc::clone(known);
        }
        let mut interned = self.interned.lock().expect("names are not poisoned");
        let name = shared(&mut interned, self.places.name(path));
        printed.insert(path.into(), Arc::clone(&name));
        name
    }

    /// The shared texts of names.
    pub(super) fn intern(&self, names: Vec<String>) -> Vec<FileName> {
        // INVARIANT: no code panics while it holds the lock, so it is never poisoned.
        let mut interned = self.interned.lock().expect("names are not poisoned");
        names
            .into_iter()
            .map(|name| shared(&mut interned, name))
            .collect()
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// What the source tree holds, by path.
    pub(super) fn blobs(&self) -> &HashMap<String, BlobId> {
        &self.blobs
    }

    /// Takes what a checkout changed, and what may come of the macros of the tree now.
    pub(super) fn check_out(&mut self, changes: &[PathChange], macros: &Arc<Macros>) -> Changed {
        let mut changed = Changed::default();
        let mut content = Vec::new();
        let stale = &mut changed.stale;
        for change in changes {
            let path = &change.path;
            let known = match change.new {
                Some(blob) => self.blobs.insert(path.clone(), blob),
                None => self.blobs.remove(path),
            };
            if known.is_some() != change.new.is_some() {
                self.appear(path, change.new.is_some(), stale);
            } else if known != change.new {
                content.push(path.clone());
            }
        }
        if self.macros != *macros {
            self.macros = Arc::clone(macros);
            let headers = self.lock();
            let headers = headers.keys().filter(|name| name.ends_with(".h"));
            content.extend(headers.cloned());
        }
        for name in content {
            self.compare(name, &mut changed);
        }
        self.forget(&changed.stale);
        changed
    }

    /// Looks again at a file whose content may be another one, and of whose base name no file came or went.
    fn compare(&self, name: String, changed: &mut Changed) {
        let Some(old) = self.lock().get(&name).cloned() else {
            changed.stale.insert(name);
            return;
        };
        let new = self.state(&name);
        if old.exact == new.exact && old.outline == new.outline {
            return;
        }
        match (old.lineless == new.lineless, old.lines, &new.lines) {
            (true, Some(old), Some(lines)) => {
                changed.moved.insert(name.clone(), (old, Arc::clone(lines)));
                self.lock().insert(name, new);
            }
            _ => drop(changed.stale.insert(name)),
        }
    }

    /// Looks at the object tree again after something was made; hands back all files whose state is another one now.
    pub(super) fn look_at_generated(&mut self) -> Changed {
        let mut stale = HashSet::new();
        let now: BTreeSet<String> = generated_headers(&self.places.obj).into_iter().collect();
        let before = std::mem::replace(&mut self.generated, now.clone());
        for path in before.symmetric_difference(&now) {
            self.appear(path, now.contains(path), &mut stale);
        }
        let mut changed = Changed {
            stale,
            ..Changed::default()
        };
        changed.extend(self.look_at(|name| name.starts_with(OBJ)));
        self.forget(&changed.stale);
        changed
    }

    /// Looks at files again that are not of the source tree; hands back those whose state is another one now.
    fn look_at(&self, wanted: impl Fn(&str) -> bool) -> Changed {
        let asked: Vec<(String, Key)> = self
            .lock()
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, state)| (name.clone(), state.exact))
            .collect();
        let stale: HashSet<String> = asked
            .into_iter()
            .filter(|(name, before)| self.state(name).exact != *before)
            .map(|(name, _)| name)
            .collect();
        self.forget(&stale);
        Changed {
            stale,
            ..Changed::default()
        }
    }

    /// Notes that a path came or went; all files of its base name have another state by that.
    fn appear(&mut self, path: &str, came: bool, stale: &mut HashSet<String>) {
        let paths = self.names.entry(base_name(path).to_owned()).or_default();
        stale.extend(paths.iter().cloned());
        stale.insert(path.to_owned());
        if came {
            insert(paths, path);
        } else {
            paths.retain(|known| known != path);
        }
    }

    fn forget(&self, stale: &HashSet<String>) {
        let mut known = self.lock();
        stale.iter().for_each(|name| drop(known.remove(name)));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, State, RandomState>> {
        // INVARIANT: no code panics while it holds the lock, so it is never poisoned.
        self.known.lock().expect("states are not poisoned")
    }

    /// Digest of what a result with these facts depends on in the named files; it depends on the order of the names.
    pub(super) fn of(&self, names: &[FileName], facts: &UnitFacts) -> Key {
        let is_lined = |name: &FileName| {
            let found = facts.lined.binary_search_by(|known| (**known).cmp(name));
            found.is_ok()
        };
        let mut key = Key::builder();
        key.part(&[facts.grain as u8]);
        for name in names {
            let part = |state: &State| match facts.grain {
                Grain::SomeLines if is_lined(name) => state.exact,
                Grain::Tokens | Grain::SomeLines => state.lineless,
                Grain::Lines => state.outline,
                Grain::Bytes => state.exact,
            };
            key.part(name.as_bytes());
            key.part(self.with_file(name, part).bytes());
        }
        key.finish()
    }

    /// What to store for a line of a file so that it can be told again after the file's comments or bodies changed:
    /// [`FileStates::line`] takes it back. `None` if no token that counts starts a line there.
    pub(super) fn place(&self, file: &str, line: u32) -> Option<u32> {
        self.with_file(file, |state| match &state.lines {
            Some(outline) => outline.place(line),
            None => Some(line),
        })
    }

    /// The line of a place.
    pub(super) fn line(&self, file: &str, place: u32) -> Option<u32> {
        self.with_file(file, |state| match &state.lines {
            Some(outline) => outline.line(place),
            None => Some(place),
        })
    }

    fn with_file<T>(&self, name: &str, read: impl Fn(&State) -> T) -> T {
        if let Some(known) = self.lock().get(name) {
            return read(known);
        }
        let state = self.state(name);
        let result = read(&state);
        self.lock().insert(name.to_owned(), state);
        result
    }

    /// The outline of a header of the source tree, if its text can be outlined.
    fn outline(&self, name: &str) -> Option<Outline> {
        if !name.ends_with(".h") || !self.blobs.contains_key(name) {
            return None;
        }
        let path = self.places.path(name);
        let size = fs::symlink_metadata(&path)
            .ok()
            .filter(|found| found.is_file())?
            .len();
        if size > OUTLINE_LIMIT {
            return None;
        }
        let outline = Outline::of(&fs::read(&path).ok()?, &|word| self.macros.traits(word));
        (!outline.lines.is_empty()).then_some(outline)
    }

    fn state(&self, name: &str) -> State {
        let content: Vec<u8> = match self.blobs.get(name) {
            Some(blob) => blob.as_bytes().to_vec(),
            None => match fs::read(self.places.path(name)) {
                Ok(bytes) => blake3::hash(&bytes).as_bytes().to_vec(),
                Err(_) => b"absent".to_vec(),
            },
        };
        let others = match self.names.get(base_name(name)) {
            Some(paths) if !paths.is_empty() => Key::of(paths.iter().map(|path| path.as_bytes()))
                .bytes()
                .to_vec(),
            _ => Vec::new(),
        };
        let exact = Key::of([content.as_slice(), others.as_slice()]);
        let lines = self.outline(name).map(Arc::new);
        let outlined = |digest: fn(&Outline) -> &[u8; 32]| match &lines {
            Some(lines) => Key::of([b"outline", digest(lines).as_slice(), others.as_slice()]),
            None => exact,
        };
        State {
            lineless: outlined(|lines| &lines.lineless),
            outline: outlined(|lines| &lines.digest),
            exact,
            lines,
        }
    }
}

/// Puts a path where it belongs among sorted ones.
fn insert(paths: &mut Vec<String>, path: &str) {
    let at = paths.binary_search_by(|known| known.as_str().cmp(path));
    if let Err(at) = at {
        paths.insert(at, path.to_owned());
    }
}

/// The one text of a name.
fn shared(interned: &mut HashSet<FileName, RandomState>, name: String) -> FileName {
    if let Some(known) = interned.get(name.as_str()) {
        return Arc::clone(known);
    }
    let name = FileName::from(name);
    interned.insert(Arc::clone(&name));
    name
}

pub(super) fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The headers of an object tree by portable name, sorted.
///
/// `include/config` holds an empty file per option and no header.
pub(super) fn generated_headers(obj: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(obj.join(&folder)) else {
            continue;
        };
        for entry in entries.filter_map(Result::ok) {
            let path = folder.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && path != Path::new("include/config") => open.push(path),
                Ok(kind)
                    if kind.is_file() && path.extension().is_some_and(|ending| ending == "h") =>
                {
                    found.push(format!("{OBJ}{}", path.to_string_lossy()));
                }
                _ => {}
            }
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(byte: u8) -> BlobId {
        BlobId::from_bytes([byte; 20])
    }

    /// Paths of both trees get names that do not depend on where the trees lie.
    #[test]
    fn names_are_portable() {
        let places = Places::new(Path::new("/w/src"), Path::new("/w/obj"));
        for (path, name) in [
            ("/w/src/include/linux/fs.h", "include/linux/fs.h"),
            ("/w/src/arch/x86/../../lib/a.c", "lib/a.c"),
            (
                "./include/generated/autoconf.h",
                "$OBJ/include/generated/autoconf.h",
            ),
            ("../src/lib/a.c", "lib/a.c"),
            ("/usr/lib/gcc/stdarg.h", "/usr/lib/gcc/stdarg.h"),
        ] {
            assert_eq!(places.name(Path::new(path)), name);
        }
        assert_eq!(places.portable("-I/w/src/include"), "-I$SRC/include");
    }

    /// The facts of a result that depends on tokens alone.
    fn tokens() -> UnitFacts {
        UnitFacts {
            grain: Grain::Tokens,
            ..UnitFacts::default()
        }
    }

    /// The state of a file changes with its content and when another file of its base name comes.
    #[test]
    fn state_sees_content_and_shadows() {
        let folder = tempfile::tempdir().unwrap();
        let (src, obj) = (folder.path().join("src"), folder.path().join("obj"));
        fs::create_dir_all(obj.join("include/generated")).unwrap();
        fs::write(obj.join("include/generated/gen.h"), "1").unwrap();
        let places = Places::new(&src, &obj);
        let files: Vec<FileName> =
            vec!["include/a.h".into(), "$OBJ/include/generated/gen.h".into()];
        let state = |blobs: &[(&str, u8)]| {
            let changes: Vec<PathChange> = blobs
                .iter()
                .map(|&(path, byte)| PathChange {
                    path: path.to_owned(),
                    old: None,
                    new: Some(blob(byte)),
                })
                .collect();
            let mut states = FileStates::new(places.clone());
            states.check_out(&changes, &Arc::default());
            states.look_at_generated();
            states.of(&files, &tokens())
        };
        let first = state(&[("include/a.h", 1)]);
        assert_eq!(first, state(&[("include/a.h", 1), ("include/b.h", 9)]));
        assert_ne!(first, state(&[("include/a.h", 2)]));
        assert_ne!(first, state(&[("include/a.h", 1), ("arch/include/a.h", 1)]));
        fs::write(obj.join("include/generated/gen.h"), "2").unwrap();
        assert_ne!(first, state(&[("include/a.h", 1)]));
        fs::remove_file(obj.join("include/generated/gen.h")).unwrap();
        assert_ne!(first, state(&[("include/a.h", 1)]));
    }

    fn check_out(states: &mut FileStates, changes: &[PathChange]) -> HashSet<String> {
        states.check_out(changes, &Arc::default()).stale
    }

    /// Every step tells exactly the files whose state differs, and ends where a fresh look does.
    #[test]
    fn steps_tell_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let (src, obj) = (folder.path().join("src"), folder.path().join("obj"));
        fs::create_dir_all(&obj).unwrap();
        fs::write(obj.join("gen.h"), "1").unwrap();
        let places = Places::new(&src, &obj);
        let change = |path: &str, new: Option<u8>| PathChange {
            path: path.to_owned(),
            old: None,
            new: new.map(blob),
        };
        let set = |names: &[&str]| -> HashSet<String> {
            names.iter().map(|&name| name.to_owned()).collect()
        };
        let files = ["a/x.h", "b/x.h", "c.h", "$OBJ/gen.h"].map(FileName::from);
        let mut states = FileStates::new(places.clone());
        check_out(
            &mut states,
            &[change("a/x.h", Some(1)), change("c.h", Some(2))],
        );
        states.look_at_generated();
        let first = states.of(&files, &tokens());
        assert_eq!(check_out(&mut states, &[change("c.h", Some(2))]), set(&[]));
        assert_eq!(
            check_out(&mut states, &[change("c.h", Some(3))]),
            set(&["c.h"])
        );
        assert_eq!(
            check_out(&mut states, &[change("b/x.h", Some(4))]),
            set(&["a/x.h", "b/x.h"])
        );
        let later = states.of(&files, &tokens());
        assert_ne!(first, later);
        fs::write(obj.join("gen.h"), "2").unwrap();
        assert_eq!(states.look_at_generated().stale, set(&["$OBJ/gen.h"]));
        assert_ne!(later, states.of(&files, &tokens()));
        fs::write(obj.join("c.h"), "").unwrap();
        assert_eq!(states.look_at_generated().stale, set(&["$OBJ/c.h", "c.h"]));
        let mut fresh = FileStates::new(places);
        check_out(
            &mut fresh,
            &[
                change("a/x.h", Some(1)),
                change("b/x.h", Some(4)),
                change("c.h", Some(3)),
            ],
        );
        fresh.look_at_generated();
        assert_eq!(fresh.of(&files, &tokens()), states.of(&files, &tokens()));
    }
}
