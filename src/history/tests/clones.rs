//! Clones that lack something, and formats that cannot be read: each must end in its reason code, never in "no changes".

use git2::{ErrorClass, ErrorCode};

use super::fixture::{Fixture, facts, picture, subjects};
use crate::history::repo::open_error;
use crate::history::{Repo, WorkArea};

#[test]
fn a_range_across_the_shallow_boundary_names_the_command() {
    // Checks a base that a depth-1 checkout does not have, by id, by ancestor, and by a ref that is there.
    let fixture = Fixture::linear();
    let base = fixture.git(&["rev-parse", "a"]);
    let shallow = fixture.clone("shallow", &["--depth=1"]);
    let (code, not_checked, _, step) = facts(shallow.range(&format!("{base}..HEAD")));
    assert_eq!((code, not_checked), ("git-shallow", true));
    assert!(step.contains("git fetch --unshallow origin"), "{step}");
    let (code, _, _, step) = facts(shallow.range("HEAD~2..HEAD"));
    assert_eq!(code, "git-shallow");
    assert!(step.contains("git fetch --deepen=2 origin"), "{step}");
    fixture.git_in(
        &fixture.path("shallow"),
        &["fetch", "-q", "--depth=1", "origin", "tag", "a"],
    );
    let shallow = Repo::open(&fixture.path("shallow")).expect("a repository");
    let (code, _, text, _) = facts(shallow.range("a..HEAD"));
    assert_eq!(code, "git-shallow", "{text}");
    assert_eq!(facts(shallow.range("nonsense..HEAD")).0, "revision-unknown");
    let zero = "0".repeat(40);
    assert_eq!(
        facts(shallow.range(&format!("{zero}..HEAD"))).0,
        "revision-unknown"
    );
}

#[test]
fn a_range_inside_a_shallow_clone_works() {
    // Checks that being shallow is no fault as long as the range is there, also when it starts at the boundary.
    let fixture = Fixture::linear();
    let shallow = fixture.clone("shallow", &["--depth=2"]);
    assert_eq!(
        subjects(&shallow.range("HEAD~1..HEAD").expect("a walk")),
        ["b", "c"]
    );
    let advice = ["fetch", "-q", "--unshallow", "origin"];
    fixture.git_in(&fixture.path("shallow"), &advice);
    let whole = Repo::open(&fixture.path("shallow")).expect("a repository");
    assert_eq!(
        subjects(&whole.range("HEAD~2..HEAD").expect("a walk")),
        ["a", "b", "c"]
    );
}

#[test]
fn a_partial_clone_is_refused_until_it_is_completed() {
    // Checks blobless and treeless clones before and after the advised command, and that nothing was fetched.
    let fixture = Fixture::linear();
    for filter in ["--filter=blob:none", "--filter=tree:0"] {
        let name = format!("clone{}", filter.replace([':', '='], "-"));
        let partial = fixture.clone(&name, &["--bare", filter]);
        let before = picture(&fixture.path(&name));
        let (code, not_checked, text, step) = facts(partial.range("a..c"));
        assert_eq!((code, not_checked), ("git-objects-missing", true), "{text}");
        assert!(
            step.contains("git fetch --refetch --no-filter origin"),
            "{step}"
        );
        let commit = partial.resolve("c").expect("a commit");
        assert_eq!(
            facts(partial.read_file(&commit, "file")).0,
            "git-objects-missing"
        );
        let mut area = WorkArea::create(&fixture.folder("work", &[])).expect("a work area");
        assert_eq!(
            facts(area.checkout(&partial, &commit)).0,
            "git-objects-missing"
        );
        let patches = fixture.folder(
            "patches",
            &[("1.patch", "--- a/file\n+++ b/file\n@@ -1 +1 @@\n-c\n+d\n")],
        );
        let series = partial.series("c", &patches, &fixture.path("work"));
        assert_eq!(facts(series).0, "git-objects-missing");
        assert_eq!(picture(&fixture.path(&name)), before);

        let advice = ["fetch", "-q", "--refetch", "--no-filter", "origin"];
        fixture.git_in(&fixture.path(&name), &advice);
        let whole = Repo::open(&fixture.path(&name)).expect("a repository");
        assert_eq!(
            subjects(&whole.range("a..c").expect("a walk")),
            ["a", "b", "c"]
        );
    }
}

#[test]
fn a_clone_that_lacks_only_the_old_blobs_is_refused() {
    // Checks the usual blobless checkout, where the head's blobs are there and the base's are not: a range is refused for
    // a blob that a step brings, and a checkout for one of the base, which a folder that holds it already does not need.
    let fixture = Fixture::linear();
    let partial = fixture.clone("partial", &["--filter=blob:none"]);
    let missing = |text: &str| text.contains("1 of its objects missing, first: file");
    let (code, _, text, _) = facts(partial.range("a..c"));
    assert_eq!(code, "git-objects-missing");
    assert!(missing(&text), "{text}");
    let walk = partial.range("b..c").expect("a walk");
    let mut area = WorkArea::create(&fixture.folder("work", &[])).expect("a work area");
    let (code, _, text, _) = facts(area.checkout(&partial, &walk.base));
    assert_eq!(code, "git-objects-missing");
    assert!(missing(&text), "{text}");
    area.checkout(&fixture.repo(), &walk.base)
        .expect("a checkout");
    area.checkout(&partial, &walk.base).expect("a checkout");
    area.checkout(&partial, &walk.commits[0])
        .expect("a checkout");
}

#[test]
fn lost_objects_are_not_blamed_on_a_partial_clone() {
    // Checks the advice where no remote ever promised the missing object.
    let fixture = Fixture::linear();
    let blob = fixture.git(&["rev-parse", "b:file"]);
    let (folder, file) = blob.split_at(2);
    let object = fixture.user().join(".git/objects").join(folder).join(file);
    std::fs::remove_file(object).expect("removed");
    let (code, _, _, step) = facts(fixture.repo().range("a..c"));
    assert_eq!(code, "git-objects-missing");
    assert!(step.contains("git fsck"), "{step}");
}

#[test]
fn submodules_are_named() {
    // Checks a submodule in the base and one that a step adds.
    let fixture = Fixture::linear();
    let id = fixture.git(&["rev-parse", "a"]);
    let entry = format!("160000,{id},vendor/lib");
    fixture.git(&["update-index", "--add", "--cacheinfo", &entry]);
    fixture.git(&["commit", "-q", "-m", "submodule"]);
    fixture.git(&["commit", "-q", "--allow-empty", "-m", "after"]);
    let repo = fixture.repo();
    let base = repo.range("HEAD~1..HEAD").expect("a walk").base;
    let refused = [
        facts(repo.range("c..HEAD")),
        facts(repo.require(&base)),
        facts(
            WorkArea::create(&fixture.folder("work", &[]))
                .expect("a work area")
                .checkout(&repo, &base),
        ),
    ];
    for (code, not_checked, text, _) in refused {
        assert_eq!((code, not_checked), ("git-unsupported", true));
        assert!(
            text.contains("vendor/lib: submodules are not supported"),
            "{text}"
        );
    }
    let head = repo.resolve("HEAD").expect("a commit");
    assert_eq!(repo.files(&head).expect("files").len(), 3);
    let base = repo.resolve("c").expect("a commit");
    assert_eq!(facts(repo.changes(&base, &head)).0, "git-unsupported");
}

#[test]
fn other_formats_are_unsupported() {
    // Checks a real repository with SHA-256 objects, and one that says of itself that it has reftable refs: older
    // git programs cannot make such a one.
    let fixture = Fixture::linear();
    let init = ["init", "-q", "--object-format=sha256", "sha"];
    fixture.git_in(&fixture.path(""), &init);
    fixture.git(&["config", "core.repositoryFormatVersion", "1"]);
    fixture.git(&["config", "extensions.refStorage", "reftable"]);
    for name in ["sha", "user"] {
        let (code, not_checked, text, step) = facts(Repo::open(&fixture.path(name)));
        assert_eq!((code, not_checked), ("git-unsupported", true), "{text}");
        assert!(step.contains("SHA-1"), "{step}");
    }
}

#[test]
fn a_foreign_owner_has_its_own_code() {
    // Checks how the library's refusal is read; to change a folder's owner takes rights that a test may not have.
    let fixture = Fixture::linear();
    let refused = git2::Error::new(ErrorCode::Owner, ErrorClass::Config, "not owned");
    let error = open_error(&fixture.user(), refused);
    assert_eq!((error.code(), error.is_not_checked()), ("git-owner", true));
    let advice = format!(
        "git config --global --add safe.directory {}",
        fixture.user().display()
    );
    assert!(error.next_step().contains(&advice), "{}", error.next_step());
}
