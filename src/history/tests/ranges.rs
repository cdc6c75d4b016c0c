//! Revisions, ranges, files and changes of whole repositories.

use std::fs;

use super::fixture::{Fixture, facts, picture, subjects, text};
use crate::history::{FileMode, Repo, Status};

#[test]
fn a_commit_carries_its_header() {
    // Checks every field that a report shows.
    let fixture = Fixture::linear();
    let commit = fixture.repo().resolve("b").expect("a commit");
    assert_eq!(commit.id.as_str(), fixture.git(&["rev-parse", "b"]));
    assert_eq!(
        commit.tree.to_string(),
        fixture.git(&["rev-parse", "b^{tree}"])
    );
    assert_eq!(commit.subject, "b");
    assert_eq!(commit.author, "Ann Author <ann@example.org>");
    assert_eq!((commit.time, commit.offset_minutes), (1_700_000_000, 90));
    assert_eq!((commit.parents, commit.source), (1, None));
}

#[test]
fn a_linear_range_runs_from_old_to_new() {
    // Checks order, base, and that a missing side is HEAD.
    let repo = Fixture::linear();
    let repo = repo.repo();
    assert_eq!(
        subjects(&repo.range("a..c").expect("a walk")),
        ["a", "b", "c"]
    );
    assert_eq!(subjects(&repo.range("b..").expect("a walk")), ["b", "c"]);
    assert_eq!(
        subjects(&repo.range("HEAD~1..HEAD").expect("a walk")),
        ["b", "c"]
    );
}

/// `main`: a, b, merge, c; `side` leaves at a: s, t; the merge takes t in.
fn merged() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("file", "a");
    fixture.commit("a");
    fixture.git(&["checkout", "-q", "-b", "side"]);
    for name in ["s", "t"] {
        fixture.write(name, name);
        fixture.commit(name);
    }
    fixture.git(&["checkout", "-q", "main"]);
    fixture.write("file", "b");
    fixture.commit("b");
    fixture.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    fixture.git(&["tag", "merge"]);
    fixture.write("file", "c");
    fixture.commit("c");
    fixture
}

#[test]
fn a_merge_is_one_step() {
    // Checks that the line follows first parents and that a merge's change is what it brings in.
    let fixture = merged();
    let repo = fixture.repo();
    let walk = repo.range("a..c").expect("a walk");
    assert_eq!(subjects(&walk), ["a", "b", "merge", "c"]);
    let [b, merge, _] = walk.commits.as_slice() else {
        panic!("three commits");
    };
    assert_eq!(merge.parents, 2);
    let changes = repo.changes(b, merge).expect("changes");
    let paths: Vec<&str> = changes.iter().map(|c| c.path.as_str()).collect();
    assert_eq!(paths, ["s", "t"]);
}

#[test]
fn a_base_off_the_line_cuts_it_where_its_history_begins() {
    // Checks a base that only a merge's second parent reaches, and a base branch that went on after the fork.
    let fixture = merged();
    let repo = fixture.repo();
    let walk = repo.range("s..c").expect("a walk");
    assert_eq!(subjects(&walk), ["a", "b", "merge", "c"]);
    let walk = repo.range("b..side").expect("a walk");
    assert_eq!(subjects(&walk), ["a", "s", "t"]);
}

#[test]
fn an_empty_range_is_not_a_pass() {
    // Checks equal ends and swapped ends.
    let fixture = Fixture::linear();
    for range in ["b..b", "c..a", ".."] {
        let (code, not_checked, text, step) = facts(fixture.repo().range(range));
        assert_eq!((code, not_checked), ("range-empty", true), "{range}");
        assert!(text.contains("holds no commit"), "{text}");
        assert!(step.contains("BASE..HEAD"), "{step}");
    }
}

#[test]
fn unrelated_histories_have_no_range() {
    // Checks a head whose line ends in a root that the base does not hold.
    let fixture = Fixture::linear();
    fixture.git(&["checkout", "-q", "--orphan", "other"]);
    fixture.commit("other");
    let (code, not_checked, text, _) = facts(fixture.repo().range("a..other"));
    assert_eq!((code, not_checked), ("input-invalid", false));
    assert!(text.contains("no first parent"), "{text}");
}

#[test]
fn unknown_revisions_are_named() {
    // Checks a bad name, the zero id of push events, a tree, and a name that looks like an option.
    let fixture = Fixture::linear();
    let zero = "0".repeat(40);
    for rev in [
        "no-such",
        zero.as_str(),
        "HEAD^{tree}",
        "--help",
        "",
        "HEAD~9",
    ] {
        let (code, not_checked, text, _) = facts(fixture.repo().resolve(rev));
        assert_eq!((code, not_checked), ("revision-unknown", false), "{rev}");
        assert!(text.contains(&format!("{rev:?}")), "{text}");
    }
}

#[test]
fn files_and_changes_follow_the_trees() {
    // Checks modes, order, and each kind of change against git's own listing.
    let fixture = Fixture::new();
    for (path, content) in [
        ("a/b", "1"),
        ("a.c", "2"),
        ("run", "3"),
        ("gone/x", "4"),
        ("turn", "5"),
    ] {
        fixture.write(path, content);
    }
    std::os::unix::fs::symlink("a.c", fixture.user().join("link")).expect("a link");
    fixture.git(&["add", "-A"]);
    fixture.git(&["update-index", "--chmod=+x", "run"]);
    fixture.git(&["commit", "-q", "-m", "one"]);
    fixture.git(&["tag", "one"]);
    let repo = fixture.repo();
    let one = repo.resolve("one").expect("a commit");
    let files = repo.files(&one).expect("files");
    let list: Vec<(&str, FileMode)> = files.iter().map(|f| (f.path.as_str(), f.mode)).collect();
    assert_eq!(
        list,
        [
            ("a.c", FileMode::Regular),
            ("a/b", FileMode::Regular),
            ("gone/x", FileMode::Regular),
            ("link", FileMode::Symlink),
            ("run", FileMode::Executable),
            ("turn", FileMode::Regular)
        ]
    );
    assert_eq!(
        files[0].blob.to_string(),
        fixture.git(&["rev-parse", "one:a.c"])
    );

    fs::remove_dir_all(fixture.user().join("gone")).expect("removed");
    fs::remove_file(fixture.user().join("turn")).expect("removed");
    fixture.write("turn/into", "a folder");
    fixture.write("a/b", "changed");
    fixture.git(&["add", "-A"]);
    fixture.git(&["update-index", "--chmod=-x", "run"]);
    fixture.git(&["commit", "-q", "-m", "two"]);
    let two = repo.resolve("HEAD").expect("a commit");
    let changes = repo.changes(&one, &two).expect("changes");
    let list: Vec<(&str, bool, bool)> = changes
        .iter()
        .map(|c| (c.path.as_str(), c.old.is_some(), c.new.is_some()))
        .collect();
    assert_eq!(
        list,
        [
            ("a/b", true, true),
            ("gone/x", true, false),
            ("run", true, true),
            ("turn", true, false),
            ("turn/into", false, true)
        ]
    );
    let named = fixture.git(&[
        "diff-tree",
        "-r",
        "--no-renames",
        "--name-only",
        "one",
        "HEAD",
    ]);
    assert_eq!(named.lines().count(), changes.len());
    assert_eq!(
        changes[2].old, changes[2].new,
        "only the mode of run changed"
    );
}

#[test]
fn files_are_read_by_path() {
    // Checks a file, a link, a folder and paths that do not exist.
    let fixture = Fixture::linear();
    std::os::unix::fs::symlink("file", fixture.user().join("link")).expect("a link");
    fixture.commit("d");
    let repo = fixture.repo();
    let head = repo.resolve("HEAD").expect("a commit");
    assert_eq!(text(&repo, &head, "file").as_deref(), Some("c"));
    assert_eq!(text(&repo, &head, "dir/same").as_deref(), Some("same\n"));
    assert_eq!(text(&repo, &head, "link").as_deref(), Some("file"));
    for path in ["dir", "none", "file/x", "dir/none", "", "/file"] {
        assert_eq!(text(&repo, &head, path), None, "{path}");
    }
}

#[test]
fn the_status_counts_tracked_files_only() {
    // Checks modified, staged, deleted and untracked files, and that looking writes nothing.
    let fixture = Fixture::linear();
    let repo = fixture.repo();
    assert_eq!(repo.status().expect("a status"), Status::default());
    fixture.write("untracked", "x");
    fixture.write("file", "modified");
    fixture.write("staged", "x");
    fixture.git(&["add", "staged"]);
    fs::remove_file(fixture.user().join("dir/same")).expect("removed");
    let before = picture(&fixture.user());
    let status = repo.status().expect("a status");
    assert_eq!(status.modified, 3, "{status:?}");
    assert_eq!(status.first, ["dir/same", "file", "staged"]);
    assert_eq!(picture(&fixture.user()), before);
}

#[test]
fn a_sparse_checkout_is_not_dirty() {
    // Checks that files left out on purpose do not count as deleted.
    let fixture = Fixture::linear();
    fixture.write("other/x", "x");
    fixture.commit("d");
    fixture.git(&["sparse-checkout", "set", "--no-sparse-index", "dir"]);
    assert!(!fixture.user().join("other").exists());
    assert_eq!(
        fixture.repo().status().expect("a status"),
        Status::default()
    );
}

#[test]
fn a_sparse_index_hides_the_status_only() {
    // Checks that commits are read as ever, and that the advice for the status works.
    let fixture = Fixture::linear();
    fixture.write("other/x/y", "x");
    fixture.commit("d");
    fixture.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "dir"]);
    let repo = fixture.repo();
    assert_eq!(subjects(&repo.range("c..d").expect("a walk")), ["c", "d"]);
    let (code, not_checked, _, step) = facts(repo.status());
    assert_eq!((code, not_checked), ("git-unsupported", true));
    assert_eq!(step, "run `git sparse-checkout reapply --no-sparse-index`");
    fixture.git(&["sparse-checkout", "reapply", "--no-sparse-index"]);
    assert_eq!(
        fixture.repo().status().expect("a status"),
        Status::default()
    );
}

#[test]
fn bare_and_linked_repositories_open() {
    // Checks the other two places where a repository may stand.
    let fixture = Fixture::linear();
    let bare = fixture.clone("bare.git", &["--bare"]);
    assert_eq!(
        subjects(&bare.range("a..c").expect("a walk")),
        ["a", "b", "c"]
    );
    assert_eq!(bare.status().expect("a status"), Status::default());
    let linked = fixture.path("linked");
    fixture.git(&["worktree", "add", "-q", &linked.display().to_string(), "b"]);
    let repo = Repo::open(&linked).expect("a repository");
    assert_eq!(repo.resolve("HEAD").expect("a commit").subject, "b");
}

#[test]
fn a_path_without_repository_is_refused() {
    // Checks a plain folder, a missing one, and a folder inside a work tree.
    let fixture = Fixture::linear();
    let plain = fixture.folder("plain", &[]);
    let (code, not_checked, text, _) = facts(Repo::open(&plain));
    assert_eq!((code, not_checked), ("input-invalid", false));
    assert!(text.ends_with("not a git repository"), "{text}");
    assert_eq!(
        facts(Repo::open(&fixture.path("missing"))).0,
        "input-invalid"
    );
    let (_, _, _, step) = facts(Repo::open(&fixture.user().join("dir")));
    assert!(
        step.contains(&fixture.user().display().to_string()),
        "{step}"
    );
}

#[test]
fn many_threads_read_one_repository() {
    // Checks that handles are not shared between threads at the same time.
    use rayon::prelude::*;
    let fixture = Fixture::linear();
    let repo = fixture.repo();
    let same = (0..200).into_par_iter().all(|_| {
        let commit = repo.resolve("c").expect("a commit");
        text(&repo, &commit, "file").as_deref() == Some("c")
    });
    assert!(same);
}
