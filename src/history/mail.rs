//! One patch as it travels: mail header, message and diff.
//!
//! Mails are taken apart by git-mailsplit(1) and git-mailinfo(1), which know mbox, encoded words and transfer encodings.
//! A quilt patch has a looser header (free text, or the fields of Debian's DEP-3); where git finds no subject or author,
//! that text is asked.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::error::HistoryError;
use super::git::Git;
use super::patches::{self, PatchFile};

/// Bytes at the start of a file where a header is looked for.
const HEAD: u64 = 64 << 10;

/// Bytes of a message that are kept.
const MAX_MESSAGE: u64 = 1 << 20;

/// A patch with what its header says.
#[derive(Debug)]
pub(super) struct Mail {
    /// Author's name; empty if unknown.
    pub(super) author: String,
    /// Author's address; empty if unknown.
    pub(super) address: String,
    /// Date as written; empty if unknown.
    pub(super) date: String,
    /// Subject without `[PATCH 1/2]`.
    pub(super) subject: String,
    /// Message below the subject.
    pub(super) body: String,
    /// The file that holds the diff.
    pub(super) diff: PathBuf,
    /// Whether it only announces a series.
    pub(super) is_cover_letter: bool,
}

/// Splits a file into its mails; a file that is no mbox is one mail. `scratch` is an existing folder of ours.
pub(super) fn split(
    git: &Git,
    file: &PatchFile,
    scratch: &Path,
) -> Result<Vec<PathBuf>, HistoryError> {
    let first = first_line(&file.path)?;
    // Line ends of a mail that came over the wire are not those of the patch.
    let is_wire = first.ends_with(b"\r\n");
    if !is_wire && !first.starts_with(b"From ") {
        return Ok(vec![file.path.clone()]);
    }
    let mut out = std::ffi::OsString::from("-o");
    out.push(scratch);
    let mut args: Vec<&OsStr> = vec!["mailsplit".as_ref(), "-b".as_ref(), "-d8".as_ref()];
    if !is_wire {
        args.push("--keep-cr".as_ref());
    }
    args.extend([&out, file.path.as_os_str()]);
    let output = git.run(&args, &[], None)?;
    if !output.is_ok {
        return Err(invalid(&file.name, output.message()));
    }
    let mut mails = Vec::new();
    let wrap = |error| HistoryError::io("read", scratch, error);
    for entry in fs::read_dir(scratch).map_err(wrap)? {
        mails.push(entry.map_err(wrap)?.path());
        if mails.len() > patches::MAX_PATCHES {
            return Err(patches::too_many(&file.path));
        }
    }
    mails.sort_unstable();
    Ok(mails)
}

/// Takes a mail apart; `stem` is where its parts are written, with different endings.
pub(super) fn read(
    git: &Git,
    file: &PatchFile,
    mail: &Path,
    stem: &Path,
) -> Result<Mail, HistoryError> {
    let message = stem.with_extension("message");
    let diff = stem.with_extension("diff");
    let args: [&OsStr; 4] = [
        "mailinfo".as_ref(),
        "-k".as_ref(),
        message.as_os_str(),
        diff.as_os_str(),
    ];
    let output = git.run(&args, &[], Some(mail))?;
    if !output.is_ok {
        return Err(invalid(&file.name, output.message()));
    }
    let field = |name: &str| field(&output.stdout, name).unwrap_or_default().to_owned();
    let subject = field("Subject");
    let (subject, number) = bare_subject(&subject);
    let mut mail = Mail {
        author: field("Author"),
        address: field("Email"),
        date: field("Date"),
        subject: subject.to_owned(),
        body: start_of(&message, MAX_MESSAGE)?,
        is_cover_letter: number.is_some_and(|n| n == 0) || file.name.starts_with("0000-"),
        diff,
    };
    fill_in(&mut mail, file)?;
    let has_diff = has_diff(&mail.diff)?;
    if !has_diff && !mail.is_cover_letter {
        let reason = format!("holds no diff (subject: {:?})", mail.subject);
        return Err(invalid(&file.name, reason));
    }
    mail.is_cover_letter &= !has_diff;
    Ok(mail)
}

fn invalid(place: &str, reason: impl Into<String>) -> HistoryError {
    HistoryError::PatchInvalid {
        place: place.to_owned(),
        reason: reason.into(),
    }
}

fn first_line(path: &Path) -> Result<Vec<u8>, HistoryError> {
    let wrap = |error| HistoryError::io("read", path, error);
    let file = File::open(path).map_err(wrap)?;
    let mut line = Vec::new();
    BufReader::new(file.take(HEAD))
        .read_until(b'\n', &mut line)
        .map_err(wrap)?;
    Ok(line)
}

fn start_of(path: &Path, limit: u64) -> Result<String, HistoryError> {
    let wrap = |error| HistoryError::io("read", path, error);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(wrap)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether git would find anything to apply: a hunk, or the head of a rename, mode change or binary patch.
fn has_diff(path: &Path) -> Result<bool, HistoryError> {
    let wrap = |error| HistoryError::io("read", path, error);
    let mut lines = BufReader::new(File::open(path).map_err(wrap)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(wrap)? == 0 {
            return Ok(false);
        }
        if line.starts_with(b"@@ -") || line.starts_with(b"diff --git ") {
            return Ok(true);
        }
    }
}

/// The value of a `Name: value` line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

/// A subject without its leading `Re:` and patch marks, and its number in the series, if it has one. Other marks, such as
/// `[media]`, belong to the subject.
fn bare_subject(subject: &str) -> (&str, Option<u32>) {
    let mut rest = subject.trim();
    let mut number = None;
    loop {
        if let Some(after) = strip_reply(rest) {
            rest = after;
            continue;
        }
        let Some((mark, after)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) else {
            return (rest, number);
        };
        let counted = mark
            .split_ascii_whitespace()
            .find_map(|word| word.split_once('/'))
            .and_then(|(n, of)| of.parse::<u32>().ok().and(n.parse().ok()));
        if counted.is_none() && !mark.contains("PATCH") && !mark.contains("RFC") {
            return (rest, number);
        }
        number = number.or(counted);
        rest = after.trim_start();
    }
}

fn strip_reply(subject: &str) -> Option<&str> {
    let (start, rest) = subject.split_at_checked(3)?;
    start.eq_ignore_ascii_case("re:").then(|| rest.trim_start())
}

/// Fills subject and author from a looser header, and the subject from the file's name at last.
fn fill_in(mail: &mut Mail, file: &PatchFile) -> Result<(), HistoryError> {
    if mail.subject.is_empty() || mail.author.is_empty() {
        let header = Header::read(&start_of(&file.path, HEAD)?);
        if mail.author.is_empty() {
            (mail.author, mail.address) = header.author;
        }
        if mail.subject.is_empty() {
            mail.subject = header.title;
        }
    }
    if mail.subject.is_empty() {
        mail.subject.clone_from(&file.name);
    }
    Ok(())
}

/// The header of a patch that is no mail.
#[derive(Debug, Default, PartialEq, Eq)]
struct Header {
    title: String,
    author: (String, String),
}

impl Header {
    /// Reads the text before the diff: `Subject:` or `Description:`, else the first line of prose; `From:` or `Author:`.
    fn read(text: &str) -> Header {
        let mut header = Header::default();
        let mut prose = None;
        for line in text.lines().take_while(|line| !starts_diff(line)) {
            let (name, value) = line.split_once(':').unwrap_or(("", line));
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "subject" | "description" if header.title.is_empty() => {
                    bare_subject(value).0.clone_into(&mut header.title);
                }
                "from" | "author" if header.author.0.is_empty() => header.author = address(value),
                _ if prose.is_none() && is_prose(line) => prose = Some(line.trim()),
                _ => {}
            }
        }
        if header.title.is_empty() {
            prose.unwrap_or_default().clone_into(&mut header.title);
        }
        header
    }
}

fn starts_diff(line: &str) -> bool {
    ["---", "diff ", "Index: ", "+++ "]
        .iter()
        .any(|start| line.starts_with(start))
}

/// A line that is neither empty, nor a comment, nor a `Name: value` field or its continuation.
fn is_prose(line: &str) -> bool {
    let is_field = line
        .split_once(": ")
        .is_some_and(|(name, _)| !name.is_empty() && !name.contains(' '));
    !is_field && line.starts_with(|c: char| !c.is_whitespace() && c != '#') && !line.ends_with(':')
}

/// Splits `Name <address>`.
fn address(text: &str) -> (String, String) {
    let (name, rest) = text.split_once('<').unwrap_or((text, ""));
    let address = rest.split('>').next().unwrap_or("");
    (name.trim().to_owned(), address.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_lose_patch_marks_only() {
        // Checks subjects as they stand on kernel lists.
        for (subject, bare, number) in [
            ("[PATCH] net: fix", "net: fix", None),
            ("[PATCH v2 03/12] net: fix", "net: fix", Some(3)),
            ("[PATCH 0/5] series", "series", Some(0)),
            ("Re: [RFC PATCH net-next 1/2] a", "a", Some(1)),
            ("[PATCH 6.1 001/150] [media] b", "[media] b", Some(1)),
            ("[media] c", "[media] c", None),
            ("plain", "plain", None),
            ("", "", None),
        ] {
            assert_eq!(bare_subject(subject), (bare, number));
        }
    }

    #[test]
    fn loose_headers_give_title_and_author() {
        // Checks a DEP-3 header, a quilt header with prose, and a bare diff.
        let dep3 = "Description: cap the depth\n of everything\nAuthor: Ann <a@b.c>\nForwarded: no\n\n--- a/x\n+++ b/x\n";
        let read = Header::read(dep3);
        assert_eq!(read.title, "cap the depth");
        assert_eq!(read.author, ("Ann".to_owned(), "a@b.c".to_owned()));
        let prose = "# comment\nFrom: Bob <b@c.d>\nMake it faster\nby much\n\nIndex: x\n";
        let read = Header::read(prose);
        assert_eq!(read.title, "Make it faster");
        assert_eq!(read.author.1, "b@c.d");
        assert_eq!(
            Header::read("--- a/x\n+++ b/x\nSubject: no\n"),
            Header::default()
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_header(text: String) {
            // Checks that no header text makes the reader panic, and that a bare subject is part of the subject.
            let _ = Header::read(&text);
            let (bare, _) = bare_subject(&text);
            proptest::prop_assert!(text.contains(bare));
        }
    }
}
