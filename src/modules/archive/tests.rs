//! Packages and archives made here: the tools that make real ones are asked by `tests/packages.rs`.

use std::io::Write as _;

use super::*;
use crate::modules::module::Origin;
use crate::modules::testing::Builder;

fn module(crc: u32) -> Vec<u8> {
    Builder::default()
        .modinfo("license=GPL")
        .import(crc, "printk")
        .build()
}

fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, *bytes)
            .expect("a Vec takes all");
    }
    builder.into_inner().expect("a Vec takes all")
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("a Vec takes all bytes");
    encoder.finish().expect("a Vec takes all bytes")
}

fn xz(data: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::default();
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).expect("options");
    writer.write_all(data).expect("a Vec takes all bytes");
    writer.finish().expect("a Vec takes all bytes")
}

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(data, 3).expect("encodes")
}

fn ar_of(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let header = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            100_644,
            bytes.len()
        );
        out.extend(header.bytes());
        out.extend(bytes);
        if bytes.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

fn deb_of(data: (&str, Vec<u8>)) -> Vec<u8> {
    let control = b"Package: acme\nVersion: 1.0-2\nDepends: kmod\n";
    let control = gzip(&tar_of(&[("./control", control)]));
    ar_of(&[
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", control),
        data,
    ])
}

/// One header of an RPM package with texts and lists of texts and numbers.
fn header_of(tags: &[(u32, Value<'_>)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, value) in tags {
        let (kind, count): (u32, usize) = match value {
            Value::Text(_) => (6, 1),
            Value::Texts(texts) => (8, texts.len()),
            Value::Numbers(numbers) => (4, numbers.len()),
        };
        for number in [*tag, kind, data.len() as u32, count as u32] {
            index.extend(number.to_be_bytes());
        }
        match value {
            Value::Text(text) => data.extend([text.as_bytes(), b"\0"].concat()),
            Value::Texts(texts) => {
                for text in *texts {
                    data.extend([text.as_bytes(), b"\0"].concat());
                }
            }
            Value::Numbers(numbers) => data.extend(numbers.iter().flat_map(|n| n.to_be_bytes())),
        }
    }
    let mut out = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    out.extend((tags.len() as u32).to_be_bytes());
    out.extend((data.len() as u32).to_be_bytes());
    out.extend(index);
    out.extend(data);
    out
}

enum Value<'a> {
    Text(&'a str),
    Texts(&'a [&'a str]),
    Numbers(&'a [u32]),
}

fn cpio_of(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut entry = |name: &str, mode: u32, bytes: &[u8]| {
        let (size, length) = (bytes.len() as u32, name.len() as u32 + 1);
        out.extend(b"070701");
        for field in [1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, length, 0] {
            out.extend(format!("{field:08x}").bytes());
        }
        out.extend([name.as_bytes(), b"\0"].concat());
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(4), 0);
    };
    for (name, mode, bytes) in files {
        entry(name, *mode, bytes);
    }
    entry("TRAILER!!!", 0, b"");
    out
}

fn rpm_of(compressor: &str, payload: Vec<u8>) -> Vec<u8> {
    let mut out = vec![0; 96];
    out[..4].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb]);
    out.extend(header_of(&[]));
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend(header_of(&[
        (1000, Value::Text("kmod-acme")),
        (1001, Value::Text("1.0")),
        (1002, Value::Text("3.el9")),
        (
            1049,
            Value::Texts(&["kernel(printk)", "ksym(other)", "/bin/sh"]),
        ),
        (1048, Value::Numbers(&[8, 8, 0])),
        (1050, Value::Texts(&["0x00000011", "0x5", ""])),
        (1125, Value::Text(compressor)),
    ]));
    out.extend(payload);
    out
}

fn read_all(bytes: &[u8]) -> Contents {
    let kind = Kind::of(bytes).unwrap_or(Kind::Tar);
    read(bytes, kind, "p", Wanted::Modules)
}

fn paths(contents: &Contents) -> Vec<&str> {
    assert!(contents.problems.is_empty(), "{:?}", contents.problems);
    let modules = contents.modules.iter();
    modules.map(|held| held.module.path.as_str()).collect()
}

/// Modules of Debian packages are found in data of every compression, packed modules too, with name and version.
#[test]
fn debian_packages_are_read() {
    let tar = tar_of(&[
        ("./lib/modules/6.1/extra/a.ko", &module(1)),
        ("./lib/modules/6.1/extra/b.ko.xz", &xz(&module(2))),
        ("./usr/share/doc/readme", b"text"),
    ]);
    for data in [
        ("data.tar", tar.clone()),
        ("data.tar.gz", gzip(&tar)),
        ("data.tar.xz", xz(&tar)),
        ("data.tar.zst", zstd(&tar)),
    ] {
        let contents = read_all(&deb_of(data));
        assert_eq!(
            paths(&contents),
            [
                "p:lib/modules/6.1/extra/a.ko",
                "p:lib/modules/6.1/extra/b.ko.xz"
            ]
        );
        assert_eq!(contents.packages[0].name, "acme");
        assert_eq!(contents.packages[0].version, "1.0-2");
        assert_eq!(contents.modules[1].package, Some(0));
    }
}

/// Modules of RPM packages are found in payloads of every compression that is supported.
#[test]
fn rpm_packages_are_read() {
    let payload = cpio_of(&[
        ("./lib/modules/6.1/extra/a.ko", 0o100_644, &module(0x11)),
        ("./lib/modules/6.1/extra", 0o040_755, b""),
        (
            "./lib/modules/6.1/weak-updates/a.ko",
            0o120_777,
            b"../extra/a.ko",
        ),
    ]);
    for (name, payload) in [
        ("gzip", gzip(&payload)),
        ("xz", xz(&payload)),
        ("zstd", zstd(&payload)),
        ("gzip", payload.clone()),
    ] {
        let contents = read_all(&rpm_of(name, payload));
        assert_eq!(paths(&contents), ["p:lib/modules/6.1/extra/a.ko"]);
        assert_eq!(contents.packages[0].version, "1.0-3.el9");
        assert_eq!(
            contents.packages[0].requires[0].to_string(),
            "kernel(printk) = 0x00000011"
        );
    }
}

/// A package whose payload cannot be read, or only in part, is judged by what it requires and says so.
#[test]
fn unreadable_payloads_are_judged_by_tokens() {
    let payload = gzip(&cpio_of(&[("./a.ko", 0o100_644, &module(1))]));
    for (name, payload) in [
        ("lzma", vec![0x5d, 0, 0, 0x80]),
        ("gzip", payload[..payload.len() / 2].to_vec()),
        ("bzip2", b"BZh9".to_vec()),
    ] {
        let contents = read_all(&rpm_of(name, payload));
        let module = &contents.modules[0].module;
        assert_eq!(module.origin, Origin::Package);
        assert_eq!(module.name, "kmod_acme");
        let imports: Vec<_> = module.imports.keys().map(String::as_str).collect();
        assert_eq!(imports, ["other", "printk"]);
        assert!(module.warnings[0].starts_with("judged by what the package requires"));
    }
}

/// Packages inside an archive are read, with names that say where, also when the archive is packed.
#[test]
fn archives_may_be_nested() {
    let deb = deb_of(("data.tar.gz", gzip(&tar_of(&[("./a.ko", &module(1))]))));
    let long = format!("{}/b.ko", "d".repeat(150));
    let tar = tar_of(&[("drivers/acme.deb", &deb), (&long, &module(2))]);
    let contents = read_all(&xz(&tar));
    assert_eq!(
        paths(&contents),
        ["p:drivers/acme.deb:a.ko", &format!("p:{long}")]
    );
    assert_eq!(contents.modules[1].package, None);
    let mut bytes = tar_of(&[("a.ko", &module(1))]);
    for _ in 0..5 {
        bytes = tar_of(&[("x.tar", &bytes)]);
    }
    let problems = read_all(&bytes).problems;
    assert!(
        problems[0]
            .to_string()
            .contains("archives inside each other"),
        "{problems:?}"
    );
}

/// Sources are found by their `dkms.conf`; a package without modules or sources is a problem.
#[test]
fn sources_are_found() {
    let conf = b"PACKAGE_NAME=acme\nPACKAGE_VERSION=2\n";
    let tar = tar_of(&[
        ("./usr/src/acme-2/dkms.conf", conf),
        ("./usr/src/acme-2/acme.c", b"int x;"),
    ]);
    let deb = deb_of(("data.tar.gz", gzip(&tar)));
    let contents = read_all(&deb);
    assert_eq!(contents.sources[0].name(), "acme");
    assert_eq!(contents.sources[0].files.len(), 1);
    let contents = read(&deb, Kind::Deb, "p", Wanted::Sources);
    let files: Vec<_> = contents.sources[0]
        .files
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(files, ["acme.c", "dkms.conf"]);
    let empty = read_all(&deb_of(("data.tar", tar_of(&[("./x", b"x")]))));
    assert!(matches!(empty.problems[0], ModulesError::NoModule { .. }));
}

/// Any truncation or change of a byte is an answer, never a panic, and a truncated package never passes whole.
#[test]
fn damaged_archives_never_panic() {
    let tar = tar_of(&[("./a.ko", &module(1)), ("./b.ko", &module(2))]);
    let payload = cpio_of(&[
        ("./a.ko", 0o100_644, &module(1)),
        ("./b.ko", 0o100_644, &module(2)),
    ]);
    let whole = [
        deb_of(("data.tar.gz", gzip(&tar))),
        rpm_of("zstd", zstd(&payload)),
        tar,
    ];
    for bytes in whole {
        for len in (0..bytes.len()).step_by(7) {
            let contents = read_all(&bytes[..len]);
            let read = contents.modules.iter();
            let whole = read
                .filter(|held| held.module.origin == Origin::Module)
                .count();
            let passes = whole == 2 && contents.problems.is_empty();
            assert!(
                !passes || len > bytes.len() - 1100,
                "{len} of {}",
                bytes.len()
            );
        }
        for at in (0..bytes.len()).step_by(11) {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            let _ = read_all(&changed);
        }
    }
}
