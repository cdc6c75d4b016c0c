//! The work area: what a checkout writes, removes and refuses.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::fixture::{Fixture, picture, relative_picture};
use crate::history::{HistoryError, WorkArea};

/// Five commits with every way in which a path can change its kind.
fn changing() -> Fixture {
    let fixture = Fixture::new();
    let top = fixture.user();
    fixture.write("kept", "kept\n");
    fixture.write("deep/er/file", "1\n");
    fixture.write("tool", "#!/bin/sh\n");
    symlink("kept", top.join("link")).expect("a link");
    fixture.commit("one");
    // A folder becomes a file, a file a folder, a link a file, a file executable.
    fs::remove_dir_all(top.join("deep")).expect("removed");
    fixture.write("deep", "now a file\n");
    fs::remove_file(top.join("link")).expect("removed");
    fixture.write("link", "now a file\n");
    fs::set_permissions(top.join("tool"), fs::Permissions::from_mode(0o755)).expect("a mode");
    fixture.commit("two");
    fs::remove_file(top.join("deep")).expect("removed");
    symlink("kept", top.join("deep")).expect("a link");
    fs::remove_file(top.join("kept")).expect("removed");
    fixture.write("kept/inside", "2\n");
    fixture.commit("three");
    fs::remove_file(top.join("deep")).expect("removed");
    fixture.write("deep/er/other", "3\n");
    fixture.write("crlf", "a\r\nb\r\n");
    fixture.write(
        ".gitattributes",
        "* text=auto eol=crlf ident\n*.c filter=danger\n",
    );
    fixture.write("a.c", "$Id$\n");
    fixture.git(&["config", "filter.danger.smudge", "touch ../smudged"]);
    fixture.git(&["-c", "core.autocrlf=false", "add", "-A"]);
    fixture.commit("four");
    fs::remove_dir_all(top.join("kept")).expect("removed");
    fixture.commit("five");
    fixture
}

#[test]
fn an_incremental_checkout_equals_a_fresh_one() {
    // Checks every ordered pair of commits: going from one to the other gives the same folder as a new work area.
    let fixture = changing();
    let repo = fixture.repo();
    let work = fixture.folder("work", &[]);
    let names = ["one", "two", "three", "four", "five"];
    let mut area = WorkArea::create(&work).expect("a work area");
    for from in names {
        for to in names {
            for name in [from, to] {
                let commit = repo.resolve(name).expect("a commit");
                area.checkout(&repo, &commit).expect("a checkout");
                let mut fresh = WorkArea::create(&work).expect("a work area");
                fresh.checkout(&repo, &commit).expect("a checkout");
                assert_eq!(
                    relative_picture(area.src()),
                    relative_picture(fresh.src()),
                    "{from} {to}"
                );
                assert_eq!(area.blobs(), fresh.blobs());
            }
        }
    }
    assert!(!fixture.path("smudged").exists() && !work.join("smudged").exists());
}

#[test]
fn a_checkout_writes_blobs_as_they_are() {
    // Checks content, modes and links, with attributes that would change them on git's own checkout.
    let fixture = changing();
    let repo = fixture.repo();
    let mut area = WorkArea::create(&fixture.folder("work", &[])).expect("a work area");
    let one = repo.resolve("one").expect("a commit");
    let summary = area.checkout(&repo, &one).expect("a checkout");
    assert_eq!((summary.written, summary.removed), (4, 0));
    assert_eq!(summary.changes.len(), 4);
    assert!(summary.from_empty);
    assert_eq!(
        fs::read_link(area.src().join("link"))
            .expect("a link")
            .to_str(),
        Some("kept")
    );
    let four = repo.resolve("four").expect("a commit");
    area.checkout(&repo, &four).expect("a checkout");
    assert_eq!(fs::read(area.src().join("a.c")).expect("a file"), b"$Id$\n");
    let mode = fs::metadata(area.src().join("tool"))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o100, 0o100);
    for (path, blob) in area.blobs() {
        let expected = repo.blob(*blob).expect("a blob");
        assert_eq!(
            fs::read(area.src().join(path)).expect("a file"),
            expected,
            "{path}"
        );
    }
}

#[test]
fn only_what_differs_is_written() {
    // Checks the counts of a second checkout, of the same and of another commit.
    let fixture = Fixture::linear();
    let repo = fixture.repo();
    let mut area = WorkArea::create(&fixture.folder("work", &[])).expect("a work area");
    for (name, written) in [("a", 2), ("a", 0), ("c", 1)] {
        let commit = repo.resolve(name).expect("a commit");
        let summary = area.checkout(&repo, &commit).expect("a checkout");
        assert_eq!((summary.written, summary.removed), (written, 0), "{name}");
        let changes: Vec<(&str, bool)> = summary
            .changes
            .iter()
            .map(|change| (change.path.as_str(), change.old != change.new))
            .collect();
        assert_eq!(changes.len(), written, "{name}");
        assert!(changes.iter().all(|(_, differs)| *differs), "{name}");
    }
}

#[test]
fn a_work_area_goes_away_unless_kept() {
    // Checks drop and the switch against it, and that object files survive a checkout.
    let fixture = Fixture::linear();
    let repo = fixture.repo();
    let work = fixture.folder("work", &[]);
    let mut area = WorkArea::create(&work).expect("a work area");
    fs::write(area.obj().join("x.o"), "x").expect("a file");
    area.checkout(&repo, &repo.resolve("a").expect("a commit"))
        .expect("a checkout");
    assert!(area.obj().join("x.o").exists());
    let path = area.path().to_path_buf();
    drop(area);
    assert!(!path.exists());
    let mut area = WorkArea::create(&work).expect("a work area");
    area.keep();
    let path = area.path().to_path_buf();
    drop(area);
    assert!(path.join("src").exists());
}

#[test]
fn unsafe_commits_are_refused_before_anything_is_written() {
    // Checks trees that no honest git makes, and links that leave the tree.
    let fixture = Fixture::linear();
    let blob = fixture.blob("content\n");
    let tree = fixture.git(&["rev-parse", "a^{tree}"]);
    let absolute = fixture.blob("/etc/passwd");
    let outside = fixture.blob("../secret");
    for (name, entries, path) in [
        ("dotdot", format!("040000 tree {tree}\t..\n"), "../dir/same"),
        (
            "dotgit",
            format!("040000 tree {tree}\t.GIT\n"),
            ".GIT/dir/same",
        ),
        (
            "twice",
            format!("100644 blob {blob}\tx\n040000 tree {tree}\tx\n"),
            "x",
        ),
        (
            "absolute",
            format!("120000 blob {absolute}\tlink\n"),
            "link",
        ),
        ("outside", format!("120000 blob {outside}\tlink\n"), "link"),
    ] {
        fixture.commit_tree(&entries, name);
        let repo = fixture.repo();
        let mut area = WorkArea::create(&fixture.folder("work", &[])).expect("a work area");
        let commit = repo.resolve(name).expect("a commit");
        let error = area.checkout(&repo, &commit).err();
        let Some(HistoryError::UnsafePath { path: found, .. }) = &error else {
            panic!("{name}: {error:?}");
        };
        assert_eq!(found, path);
        assert_eq!(error.map(|e| e.code()), Some("input-invalid"));
        assert!(picture(area.src()).is_empty());
    }
}

#[test]
fn names_that_differ_in_case_are_kept_apart() {
    // Checks the kernel's own pairs (xt_MARK.h and xt_mark.h) on a file system that knows case.
    let fixture = Fixture::new();
    let one = fixture.blob("1");
    let two = fixture.blob("2");
    fixture.commit_tree(
        &format!("100644 blob {one}\txt_MARK.h\n100644 blob {two}\txt_mark.h\n"),
        "case",
    );
    let repo = fixture.repo();
    let mut area = WorkArea::create(&fixture.folder("work", &[])).expect("a work area");
    area.checkout(&repo, &repo.resolve("case").expect("a commit"))
        .expect("a checkout");
    assert_eq!(
        fs::read(area.src().join("xt_MARK.h")).expect("a file"),
        b"1"
    );
    assert_eq!(
        fs::read(area.src().join("xt_mark.h")).expect("a file"),
        b"2"
    );
}

#[test]
fn links_planted_between_checkouts_are_not_followed() {
    // Checks that a folder swapped for a link to the outside neither loses nor gains files there.
    let fixture = Fixture::new();
    fixture.write("d/old", "old");
    fixture.write("d/file", "1");
    fixture.commit("one");
    fs::remove_file(fixture.user().join("d/old")).expect("removed");
    fixture.write("d/file", "2");
    fixture.write("d/new", "new");
    fixture.commit("two");
    let repo = fixture.repo();
    let mut area = WorkArea::create(&fixture.folder("work", &[])).expect("a work area");
    area.checkout(&repo, &repo.resolve("one").expect("a commit"))
        .expect("a checkout");
    let outside = fixture.folder("outside", &[("old", "mine"), ("file", "mine")]);
    let before = picture(&outside);
    fs::remove_dir_all(area.src().join("d")).expect("removed");
    symlink(&outside, area.src().join("d")).expect("a link");
    area.checkout(&repo, &repo.resolve("two").expect("a commit"))
        .expect("a checkout");
    assert_eq!(picture(&outside), before);
    assert_eq!(fs::read(area.src().join("d/file")).expect("a file"), b"2");
    assert!(!area.src().join("d/old").exists());
}

#[test]
fn the_user_repository_is_left_alone() {
    // Checks `.git` and work tree byte for byte around every kind of call, with a dirty tree.
    let fixture = changing();
    fixture.write("crlf", "modified\n");
    fixture.write("untracked", "x");
    let patches = fixture.folder(
        "patches",
        &[(
            "1.patch",
            "--- a/tool\n+++ b/tool\n@@ -1 +1,2 @@\n #!/bin/sh\n+exit\n",
        )],
    );
    let before = picture(&fixture.user());
    let repo = fixture.repo();
    let walk = repo.range("one..five").expect("a walk");
    repo.status().expect("a status");
    let mut area = WorkArea::create(&fixture.folder("work", &[])).expect("a work area");
    for commit in &walk.commits {
        area.checkout(&repo, commit).expect("a checkout");
        repo.files(commit).expect("files");
        repo.changes(&walk.base, commit).expect("changes");
    }
    let series = repo.series("five", &patches, area.path()).expect("a walk");
    area.checkout(&repo, &series.commits[0])
        .expect("a checkout");
    assert_eq!(picture(&fixture.user()), before);
}
