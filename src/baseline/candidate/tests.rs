use std::fs;

use super::*;

const LINE: &str = "0x4c9d28b0\tphys_base\tvmlinux\tEXPORT_SYMBOL\t\n";
const TYPES: &str = "/* a.symtypes */\nphys_base unsigned long phys_base\n";

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, data).unwrap();
    encoder.finish().unwrap()
}

/// A Debian package with these files, as deb(5) describes it.
fn package(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *data).unwrap();
    }
    let data = gzip(&builder.into_inner().unwrap());
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, data) in [
        ("debian-binary", b"2.0\n".as_slice()),
        ("data.tar.gz", data.as_slice()),
    ] {
        let header = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            100_644,
            data.len()
        );
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        if data.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Every shape that holds one kernel's exports is read, with the types and the configuration beside them.
#[test]
fn every_shape_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let zst = zstd::encode_all(LINE.as_bytes(), 1).unwrap();
    at("plain/Module.symvers", LINE.as_bytes());
    at("plain/.config", b"CONFIG_X86_64=y\n");
    at("plain/symtypes.gz", &gzip(TYPES.as_bytes()));
    at("suse/symvers-default.gz", &gzip(LINE.as_bytes()));
    at("suse/symtypes-default", TYPES.as_bytes());
    at("tree/symvers.zst", &zst);
    at("built/build/Module.symvers", LINE.as_bytes());
    at(
        "unpacked/usr/src/linux-headers-6.1/Module.symvers",
        LINE.as_bytes(),
    );
    at(
        "x.deb",
        &package(&[
            ("./usr/src/x/Module.symvers", LINE.as_bytes()),
            ("./usr/src/x/.config", b"CONFIG_X86_64=y\n"),
        ]),
    );
    for (path, types, config) in [
        ("plain", true, true),
        ("plain/Module.symvers", true, true),
        ("suse/symvers-default.gz", true, false),
        ("tree", false, false),
        ("built", false, false),
        ("unpacked", false, false),
        ("x.deb", false, true),
    ] {
        let candidate = Candidate::load(&folder.path().join(path), None).unwrap();
        assert_eq!(candidate.symvers.len(), 1, "{path}");
        assert_eq!(!candidate.types.is_empty(), types, "{path}");
        assert_eq!(candidate.config.is_some(), config, "{path}");
    }
}

/// What holds no exports, or those of two kernels, is refused with what was found.
#[test]
fn what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let other = LINE.replace("0x4c9d28b0", "0x4c9d28b1");
    at("two/lib/modules/1/symvers.gz", &gzip(LINE.as_bytes()));
    at("two/lib/modules/2/symvers.gz", &gzip(LINE.as_bytes()));
    at("none/README", b"");
    at("empty", b"");
    at("zero", b"0x00000000\tf\tvmlinux\tEXPORT_SYMBOL\t\n");
    at("vmlinux.symvers", LINE.as_bytes());
    at(
        "two.deb",
        &package(&[
            ("./usr/src/x/Module.symvers", LINE.as_bytes()),
            ("./usr/src/y/Module.symvers", other.as_bytes()),
        ]),
    );
    at("none.deb", &package(&[("./usr/x", b"")]));
    at("cut.deb", b"!<arch>\nxx");
    for (path, message) in [
        ("two", "holds the exports of several kernels"),
        ("none", "holds no Module.symvers, symvers.gz"),
        ("gone", "no such file or folder"),
        ("empty", "no exported symbol"),
        ("zero", "every CRC is zero"),
        ("vmlinux.symvers", "a partial result"),
        ("two.deb", "holds the exports of several kernels"),
        ("none.deb", "holds no Module.symvers"),
        ("cut.deb", "the package cannot be read"),
    ] {
        let error = Candidate::load(&folder.path().join(path), None).unwrap_err();
        assert!(error.to_string().contains(message), "{path}: {error}");
    }
}
