//! Patch series from folders, quilt and mbox.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::fixture::{Fixture, facts, subjects, text};
use crate::history::{HistoryError, WorkArea};

/// A file of ten lines, and a branch `topic` with three commits on it and on a new file.
fn topic() -> Fixture {
    let fixture = Fixture::new();
    let lines = |changed: &[usize]| -> String {
        let line = |n| {
            format!(
                "line {n}{}\n",
                if changed.contains(&n) { " changed" } else { "" }
            )
        };
        (1..=10).map(line).collect()
    };
    fixture.write("net/file", &lines(&[]));
    fixture.write("run", "#!/bin/sh\n");
    fixture.commit("base");
    fixture.git(&["checkout", "-q", "-b", "topic"]);
    fixture.write("net/file", &lines(&[1]));
    fixture.commit("first");
    fixture.write("net/new", "new\n");
    fixture.git(&["add", "-A"]);
    let long = "second: a subject that is so long that a mail folds it, with a Zürich umlaut";
    fixture.git(&[
        "commit",
        "-q",
        "-m",
        &format!("{long}\n\nBody of the mail.\n\nFrom here on it is text."),
    ]);
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(fixture.user().join("run"), executable).expect("a mode");
    fixture.write("net/file", &lines(&[1, 10]));
    fixture.git(&["commit", "-q", "-a", "-m", "[media] third"]);
    fixture.git(&["checkout", "-q", "main"]);
    fixture
}

fn work(fixture: &Fixture) -> PathBuf {
    fixture.folder("work", &[])
}

const TITLES: [&str; 4] = [
    "base",
    "first",
    "second: a subject that is so long that a mail folds it, with a Zürich umlaut",
    "[media] third",
];

#[test]
fn a_folder_of_patches_makes_the_same_trees() {
    // Checks trees, headers, positions and modes against the commits the patches were made from.
    let fixture = topic();
    fixture.git(&[
        "format-patch",
        "-q",
        "--cover-letter",
        "-o",
        "../patches",
        "main..topic",
    ]);
    let repo = fixture.repo();
    let walk = repo
        .series("main", &fixture.path("patches"), &work(&fixture))
        .expect("a walk");
    assert_eq!(subjects(&walk), TITLES);
    assert_eq!(walk.cover_letters, ["0000-cover-letter.patch"]);
    let real = repo.range("main..topic").expect("a walk");
    for (made, real) in walk.commits.iter().zip(&real.commits) {
        assert_eq!(made.tree, real.tree);
        assert_eq!(made.author, real.author);
        assert_eq!(
            (made.time, made.offset_minutes),
            (real.time, real.offset_minutes)
        );
    }
    assert_eq!(
        walk.commits[0].source.as_deref(),
        Some("0001-first.patch (1 of 3)")
    );
    assert_eq!(
        text(&repo, &walk.commits[1], "net/new").as_deref(),
        Some("new\n")
    );
    let changes = repo.changes(&walk.base, &walk.commits[2]).expect("changes");
    assert_eq!(changes.len(), 3);
}

#[test]
fn the_same_series_has_the_same_ids() {
    // Checks two runs in different work folders, and that a made commit can be checked out.
    let fixture = topic();
    fixture.git(&["format-patch", "-q", "-o", "../patches", "main..topic"]);
    let one = fixture.repo();
    let first = one
        .series("main", &fixture.path("patches"), &work(&fixture))
        .expect("a walk");
    let second = one
        .series(
            "main",
            &fixture.path("patches"),
            &fixture.folder("elsewhere", &[]),
        )
        .expect("a walk");
    let other = fixture
        .repo()
        .series("main", &fixture.path("patches"), &work(&fixture));
    assert_eq!(first, second);
    assert_eq!(first, other.expect("a walk"));
    let mut area = WorkArea::create(&work(&fixture)).expect("a work area");
    for commit in &first.commits {
        area.checkout(&one, commit).expect("a checkout");
    }
    assert_eq!(
        fs::read(area.src().join("net/new")).expect("a file"),
        b"new\n"
    );
}

#[test]
fn the_private_store_goes_with_the_repository() {
    // Checks that nothing is left in the work folder.
    let fixture = topic();
    fixture.git(&["format-patch", "-q", "-o", "../patches", "main..topic"]);
    let repo = fixture.repo();
    repo.series("main", &fixture.path("patches"), &work(&fixture))
        .expect("a walk");
    assert_eq!(fs::read_dir(work(&fixture)).expect("a folder").count(), 1);
    drop(repo);
    assert_eq!(fs::read_dir(work(&fixture)).expect("a folder").count(), 0);
}

#[test]
fn an_mbox_of_three_mails_is_split() {
    // Checks folded and encoded subjects, a body line that begins with "From ", and both kinds of line ends.
    let fixture = topic();
    let mbox = fixture.git(&["format-patch", "--stdout", "main..topic"]) + "\n";
    assert!(mbox.contains("=?UTF-8?"), "the subject travels encoded");
    let real = fixture.repo().range("main..topic").expect("a walk");
    for (name, content) in [
        ("lf.mbox", mbox.clone()),
        ("crlf.mbox", mbox.replace('\n', "\r\n")),
    ] {
        let folder = fixture.folder("mail", &[(name, content.as_str())]);
        let repo = fixture.repo();
        let walk = repo
            .series("main", &folder.join(name), &work(&fixture))
            .expect("a walk");
        assert_eq!(subjects(&walk), TITLES, "{name}");
        assert_eq!(walk.commits[2].tree, real.commits[2].tree);
        assert_eq!(walk.commits[2].source, Some(format!("{name} (3 of 3)")));
    }
}

#[test]
fn a_quilt_series_with_every_option_applies() {
    // Checks -p0, -R, comments, DEP-3 headers, and plain diffs without any header.
    let fixture = Fixture::linear();
    let dep3 = "Description: make it d\nAuthor: Dora <d@e.f>\nDate: never\n\n--- file.orig\n+++ file\n@@ -1 +1 @@\n-c\n\\ No newline at end of file\n+d\n";
    let plain = "--- linux.orig/dir/same\t2020-01-01 00:00:00.0 +0000\n+++ linux/dir/same\t2020-01-02 00:00:00.0 +0000\n@@ -1 +1 @@\n-same\n+other\n";
    let reversed = "--- a/file\n+++ b/file\n@@ -1 +1 @@\n-e\n+d\n";
    let series = "# a series\none.patch -p0 # strip nothing\n\nsub.diff\nback.patch -R\n";
    let files = [
        ("series", series),
        ("one.patch", dep3),
        ("sub.diff", plain),
        ("back.patch", reversed),
    ];
    let patches = fixture.folder("patches", &files);
    let repo = fixture.repo();
    let walk = repo.series("c", &patches, &work(&fixture)).expect("a walk");
    assert_eq!(
        subjects(&walk),
        ["c", "make it d", "sub.diff", "back.patch"]
    );
    assert_eq!(walk.commits[0].author, "Dora <d@e.f>");
    assert_eq!(walk.commits[1].author, "unknown <unknown@localhost>");
    assert_eq!(
        walk.commits[0].time, 1_700_000_100,
        "the base's date where a patch has none"
    );
    let last = &walk.commits[2];
    assert_eq!(text(&repo, last, "file").as_deref(), Some("e\n"));
    assert_eq!(text(&repo, last, "dir/same").as_deref(), Some("other\n"));
}

#[test]
fn a_patch_that_does_not_apply_is_named() {
    // Checks patch, position, file, hunk line and git's message, for three ways to fail.
    let fixture = topic();
    let stale =
        "--- a/net/file\n+++ b/net/file\n@@ -4,3 +4,3 @@\n line 4\n-line five\n+x\n line 6\n";
    let absent = "--- a/no/such\n+++ b/no/such\n@@ -1 +1 @@\n-a\n+b\n";
    let corrupt = "--- a/run\n+++ b/run\n@@ -1,4 +1,4 @@\n #!/bin/sh\n";
    let good = "--- a/run\n+++ b/run\n@@ -1 +1,2 @@\n #!/bin/sh\n+exit\n";
    for (bad, place, said) in [
        (stale, "at net/file:4", "patch does not apply"),
        (absent, "at no/such", "does not exist in index"),
        (corrupt, "of its diff", "corrupt patch"),
    ] {
        let patches = fixture.folder("patches", &[("1.patch", good), ("2.patch", bad)]);
        let result = fixture.repo().series("main", &patches, &work(&fixture));
        assert!(
            matches!(&result, Err(HistoryError::PatchFailed { .. })),
            "{result:?}"
        );
        let (code, not_checked, text, step) = facts(result);
        assert_eq!((code, not_checked), ("input-invalid", false));
        assert!(
            text.starts_with("2.patch (2 of 2): does not apply "),
            "{text}"
        );
        assert!(text.contains(place) && text.contains(said), "{text}");
        assert!(step.contains("refresh the patch"), "{step}");
    }
}

#[test]
fn patches_cannot_leave_the_tree() {
    // Checks that git's own guard against climbing paths is on.
    let fixture = topic();
    let climbing = "--- /dev/null\n+++ b/../../evil\n@@ -0,0 +1 @@\n+x\n";
    let hooks = "diff --git a/.git/hooks/x b/.git/hooks/x\nnew file mode 100755\n--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n";
    for patch in [climbing, hooks] {
        let patches = fixture.folder("patches", &[("1.patch", patch)]);
        let (code, _, text, _) = facts(fixture.repo().series("main", &patches, &work(&fixture)));
        assert_eq!(code, "input-invalid", "{text}");
    }
}

#[test]
fn a_mail_without_diff_is_not_skipped() {
    // Checks a text file, an empty file, and a series of nothing but a cover letter.
    let fixture = topic();
    let mail = "From: A <a@b.c>\nSubject: [PATCH 1/2] nothing\n\nNo diff here.\n";
    for (name, content, expected) in [
        ("1.patch", mail, "input-invalid"),
        ("1.patch", "", "input-invalid"),
        (
            "0000-cover-letter.patch",
            "Subject: [PATCH 0/2] hello\n\nWords.\n",
            "range-empty",
        ),
    ] {
        let folder = fixture.path("patches");
        let _ = fs::remove_dir_all(&folder);
        let patches = fixture.folder("patches", &[(name, content)]);
        let (code, _, text, _) = facts(fixture.repo().series("main", &patches, &work(&fixture)));
        assert_eq!(code, expected, "{text}");
        assert!(text.contains("patch"), "{text}");
    }
}

#[test]
fn a_missing_git_program_is_named() {
    // Checks the error where the search path holds no git.
    let fixture = topic();
    let patches = fixture.folder(
        "patches",
        &[("1.patch", "--- a/run\n+++ b/run\n@@ -1 +0,0 @@\n-x\n")],
    );
    let repo = fixture.repo().with_search_path(fixture.path("nowhere"));
    let (code, not_checked, _, step) = facts(repo.series("main", &patches, &work(&fixture)));
    assert_eq!((code, not_checked), ("git-unsupported", true));
    assert!(step.contains("install git"), "{step}");
}
