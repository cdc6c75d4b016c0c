//! Modules and packages of a distribution's kernel, against `modprobe`, `depmod` and `rpmbuild`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::Run;
use support::packages::{RELEASE, kernel, run};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Every import of every module, read out of the package, has the CRC that `modprobe --dump-modversions` prints.
#[test]
fn imports_equal_those_of_modprobe() {
    let kernel = kernel();
    let work = tempfile::tempdir_in(support::target()).unwrap();
    let database = work.path().join("modules.json");
    Run::new(["-q", "modules", "scan", "--database"])
        .args([&database, &kernel.package])
        .end()
        .code(0);
    let database = json(&database);
    let modules = database["modules"].as_array().unwrap();
    assert!(modules.len() > 1000, "{} modules", modules.len());
    let mut compared = 0;
    for module in modules {
        assert_eq!(module["provider"], format!("linux-image-{RELEASE}"));
        let path = module["path"].as_str().unwrap();
        let file = kernel.root.join(path.rsplit_once(".deb:").unwrap().1);
        let (dump, _) = run(Command::new("modprobe").arg("--dump-modversions").arg(file));
        let theirs: BTreeMap<&str, &str> = dump
            .lines()
            .map(|line| line.split_once('\t').unwrap())
            .map(|(crc, symbol)| (symbol, crc))
            .collect();
        let ours: BTreeMap<&str, &str> = module["imports"]
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(symbol, crc)| Some((symbol.as_str(), crc.as_str()?)))
            .collect();
        assert_eq!(ours, theirs, "{path}");
        compared += ours.len();
    }
    println!("{} modules, {compared} imports", modules.len());
}

/// A module whose versions stand in the sections that kernels have since 6.14 imports the same.
#[test]
fn extended_versions_are_read() {
    let kernel = kernel();
    let net = kernel
        .root
        .join(format!("lib/modules/{RELEASE}/kernel/net"));
    let module = first_module(&net);
    let (dump, _) = run(Command::new("modprobe")
        .arg("--dump-modversions")
        .arg(&module));
    let (mut crcs, mut names) = (Vec::new(), Vec::new());
    for line in dump.lines() {
        let (crc, symbol) = line.split_once('\t').unwrap();
        let crc = u32::from_str_radix(crc.trim_start_matches("0x"), 16).unwrap();
        crcs.extend(crc.to_le_bytes());
        names.extend(symbol.bytes().chain([0]));
    }
    let work = tempfile::tempdir_in(support::target()).unwrap();
    let path = |name: &str| work.path().join(name).display().to_string();
    fs::write(path("crcs"), crcs).unwrap();
    fs::write(path("names"), names).unwrap();
    let file = path(&module.file_name().unwrap().to_string_lossy());
    run(Command::new("objcopy")
        .args([
            "--remove-section=__versions",
            "--remove-section=.rela__versions",
        ])
        .arg(format!("--add-section=__version_ext_crcs={}", path("crcs")))
        .arg(format!(
            "--add-section=__version_ext_names={}",
            path("names")
        ))
        .args([&module, Path::new(&file)]));
    let imports = |module: &str| {
        let database = path(&format!("{}.json", module.len()));
        let scan = Run::new(["-q", "modules", "scan", "--database", &database]);
        scan.args([module]).end().code(0);
        let module = &json(Path::new(&database))["modules"][0];
        (module["versions"].clone(), module["imports"].clone())
    };
    let (basic, before) = imports(&module.display().to_string());
    let (extended, after) = imports(&file);
    assert_eq!((basic, extended), ("basic".into(), "extended".into()));
    assert!(before.as_object().unwrap().len() > 5, "{before}");
    assert_eq!(after, before);
}

type Finding = (String, String, &'static str);

/// What `depmod -n -e -E` reports of the kernel's modules: file, symbol and reason.
fn depmod(symvers: &Path) -> BTreeSet<Finding> {
    let mut command = Command::new("depmod");
    command
        .args(["-n", "-e", "-E"])
        .arg(symvers)
        .arg("-b")
        .arg(&kernel().root);
    let (_, err) = run(command.arg(RELEASE));
    err.lines()
        .filter_map(|line| line.strip_prefix("depmod: WARNING: "))
        .map(|line| {
            let (path, rest) = line.split_once(' ').unwrap();
            let missing = rest.strip_prefix("needs unknown symbol ");
            let differs = rest.strip_prefix("disagrees about version of symbol ");
            let reason = if missing.is_some() {
                "missing"
            } else {
                "differs"
            };
            let symbol = missing.or(differs).unwrap_or_else(|| panic!("{line}"));
            (
                path.rsplit('/').next().unwrap().to_owned(),
                symbol.to_owned(),
                reason,
            )
        })
        .collect()
}

/// The same of `validate`, and the symbols that a module exports although the kernel does.
fn validate(symvers: &Path, code: i32) -> (BTreeSet<Finding>, BTreeSet<String>) {
    let work = tempfile::tempdir_in(support::target()).unwrap();
    // depmod looks only at the exports of vmlinux and takes those of modules from the modules.
    let text = fs::read_to_string(symvers).unwrap();
    let kernel_lines: String = text
        .lines()
        .filter(|line| line.split('\t').nth(2) == Some("vmlinux"))
        .map(|line| format!("{line}\n"))
        .collect();
    let only = work.path().join("Module.symvers");
    fs::write(&only, kernel_lines).unwrap();
    let report = work.path().join("report.json");
    Run::new(["validate", "--missing-versions", "refuses", "--against"])
        .args([only.as_path()])
        .args(["--output", &format!("json:{}", report.display()), "--"])
        .args([kernel().root.join("lib/modules").join(RELEASE)])
        .end()
        .code(code);
    let (mut found, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for module in json(&report)["modules"].as_array().unwrap() {
        let path = module["path"].as_str().unwrap();
        let file = path.rsplit('/').next().unwrap();
        for problem in module["verdicts"][0]["problems"].as_array().unwrap() {
            let symbol = problem["symbol"].as_str().unwrap();
            let reason = match problem["kind"].as_str().unwrap() {
                "missing-symbol" => "missing",
                "crc-mismatch" | "module-layout" => "differs",
                "duplicate-export" => {
                    twice.insert(symbol.to_owned());
                    continue;
                }
                // depmod has no word for a module that needs a refused one.
                "needs-other-module" => continue,
                other => panic!("{other} of {symbol}"),
            };
            found.insert((file.to_owned(), symbol.to_owned(), reason));
        }
    }
    (found, twice)
}

/// All modules load into their own kernel, and against another flavour's exports the findings are depmod's.
#[test]
fn findings_equal_those_of_depmod() {
    let own = &kernel().symvers;
    assert_eq!(depmod(own), BTreeSet::new());
    assert_eq!(validate(own, 0), (BTreeSet::new(), BTreeSet::new()));
    let headers = support::kernel("headers-6.1");
    let other = headers.join("usr/src/linux-headers-6.1.0-50-amd64/Module.symvers");
    let theirs = depmod(&other);
    assert!(theirs.len() > 1000, "{} findings", theirs.len());
    let (ours, twice) = validate(&other, 1);
    // Where vmlinux and a module export a symbol, depmod takes the module's CRC and the loader that of vmlinux.
    let (of_both, ours): (BTreeSet<Finding>, BTreeSet<Finding>) = ours
        .into_iter()
        .partition(|found| twice.contains(&found.1) && !theirs.contains(found));
    assert!(of_both.iter().all(|(_, _, reason)| *reason == "differs"));
    assert!(of_both.len() < 50, "{of_both:?}");
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(ours, theirs);
}

/// Packages of `rpmbuild` with every compression are read, and one that cannot be is judged by what it requires.
#[test]
fn packages_of_rpmbuild_are_read() {
    let kernel = kernel();
    let module = kernel
        .root
        .join(format!("lib/modules/{RELEASE}/kernel/drivers/net/mii.ko"));
    let module = if module.exists() {
        module
    } else {
        first_module(
            &kernel
                .root
                .join(format!("lib/modules/{RELEASE}/kernel/net")),
        )
    };
    let name = module.file_name().unwrap().to_string_lossy().into_owned();
    for (payload, verdict, code) in [
        ("w9.gzdio", "loads", 0),
        ("w6.xzdio", "loads", 0),
        ("w3.zstdio", "loads", 0),
        ("w9.lzdio", "loads", 0),
        ("w9.bzdio", "loads", 0),
        ("damaged", "unknown", 3),
    ] {
        let work = tempfile::tempdir_in(support::target()).unwrap();
        let package = rpm(work.path(), payload, &module);
        let ended = Run::new(["validate"])
            .args([&package])
            .args([Path::new("--against"), &kernel.symvers])
            .end()
            .code(code);
        let row = ended
            .out
            .lines()
            .find(|line| line.starts_with("kmod-acme/"))
            .unwrap();
        assert!(row.ends_with(verdict), "{payload}, {name}: {}", ended.out);
    }
}

fn first_module(folder: &Path) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = entries.collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "ko") {
                return path;
            }
        }
    }
    panic!("no module in {}", folder.display());
}

fn rpm(work: &Path, payload: &str, module: &Path) -> PathBuf {
    let spec = work.join("acme.spec");
    let file = module.file_name().unwrap().to_string_lossy();
    let text = format!(
        "Name: kmod-acme\nVersion: 1.0\nRelease: 1\nSummary: x\nLicense: GPL\n\
         Requires: kernel(printk_absent) = 0x00000001\nAutoReqProv: no\n%description\nx\n%install\n\
         mkdir -p %{{buildroot}}/lib/modules/x/extra\ncp {} %{{buildroot}}/lib/modules/x/extra/{file}\n%files\n/lib/modules/x/extra/{file}\n",
        module.display()
    );
    let damaged = payload == "damaged";
    let payload = if damaged { "w9.gzdio" } else { payload };
    let text = if damaged {
        text.replace(
            "Requires: kernel(printk_absent) = 0x00000001\n",
            &requires(),
        )
    } else {
        text.replace("Requires: kernel(printk_absent) = 0x00000001\n", "")
    };
    fs::write(&spec, text).unwrap();
    run(Command::new("rpmbuild")
        .args(["-bb", "--quiet"])
        .arg(format!("--define=_topdir {}", work.display()))
        .arg(format!("--define=_binary_payload {payload}"))
        .args([
            "--define=__os_install_post %{nil}",
            "--define=debug_package %{nil}",
        ])
        .arg(&spec));
    let folder = work.join("RPMS");
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                if damaged {
                    let bytes = fs::read(&path).unwrap();
                    fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
                }
                return path;
            }
        }
    }
    panic!("rpmbuild made no package");
}

/// One requirement that the kernel fulfils.
fn requires() -> String {
    let text = fs::read_to_string(&kernel().symvers).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("\tvmlinux\tEXPORT_SYMBOL\t"))
        .unwrap();
    let mut words = line.split('\t');
    let (crc, symbol) = (words.next().unwrap(), words.next().unwrap());
    format!("Requires: kernel({symbol}) = {crc}\n")
}

/// The exit code says what was found: all load, one does not, an input is bad, it cannot be said.
#[test]
fn exit_codes_of_validate() {
    let kernel = kernel();
    let module = first_module(
        &kernel
            .root
            .join(format!("lib/modules/{RELEASE}/kernel/net")),
    );
    let other = support::kernel("headers-6.1").join("usr/src/linux-headers-6.1.0-50-amd64");
    let work = tempfile::tempdir_in(support::target()).unwrap();
    let bad = work.path().join("bad.ko");
    fs::write(&bad, &fs::read(&module).unwrap()[..2000]).unwrap();
    let sources = work.path().join("acme-1");
    fs::create_dir(&sources).unwrap();
    fs::write(
        sources.join("dkms.conf"),
        "PACKAGE_NAME=acme\nPACKAGE_VERSION=1\n",
    )
    .unwrap();
    let validate = |path: &Path, against: &Path| {
        let run = Run::new(["validate"]).args([path]);
        run.args([Path::new("--against"), against]).end()
    };
    validate(&module, &kernel.symvers).code(0).out_has("PASS");
    validate(&module, &other).code(1).out_has("needs-rebuild");
    validate(&bad, &kernel.symvers).code(2).out_has("bad.ko");
    validate(&sources, &kernel.symvers)
        .code(3)
        .out_has("pass --rebuild");
    validate(&module, &work.path().join("absent")).code(2);
    let report = work.path().join("report.json");
    let json = format!("json:{}", report.display());
    Run::new(["validate", "--output", &json, "--against"])
        .args([&kernel.symvers, &other])
        .args([Path::new("--"), &module])
        .end()
        .code(1);
    let again = Run::new(["report", "--from"]).args([&report]).end().code(1);
    assert!(
        again.out.starts_with("FAIL  1 of 1 module stops loading"),
        "{}",
        again.out
    );
    Run::new([
        "validate",
        "--output",
        "github",
        "--against",
        "x",
        "--",
        "y",
    ])
    .end()
    .code(2);
}

/// Address space for one run on what a stranger sent.
const MEMORY: &str = "--as=2147483648";
/// Wall time for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes hostile files of `acme.ko`.
const HOSTILE: &str = "
head -c 4G /dev/zero | zstd -q -o bomb.ko.zst
head -c 300M /dev/zero | xz -0 -T2 > bomb.ko.xz
truncate -s 2G big.ko && tar -cf - big.ko | zstd -q -o bomb.tar.zst && rm big.ko
mkdir -p package/DEBIAN package/lib deep/deep
printf 'Package: acme\nVersion: 1\nArchitecture: all\nMaintainer: a\nDescription: a\n' > package/DEBIAN/control
cp acme.ko package/lib && dpkg-deb -Zxz -b package whole.deb > /dev/null
head -c $(($(stat -c %s whole.deb) / 2)) whole.deb > cut.deb
tar -cf 0.tar acme.ko && for n in 1 2 3 4 5 6; do tar -cf $n.tar $((n - 1)).tar; done
tar -czf whole.tar.gz acme.ko && head -c 3000 whole.tar.gz > cut.tar.gz
cd deep/deep && tar --transform 's,^,../../escaped/,' -P -C ../.. -czf ../../up.tar.gz acme.ko
";

/// Bombs, cut files, absurd counts and deep nesting end at once, in bounded memory, with the file and the reason; what an
/// archive calls `../..` is read and nothing is written there.
#[test]
fn hostile_files_are_refused() {
    let kernel = kernel();
    let module = first_module(
        &kernel
            .root
            .join(format!("lib/modules/{RELEASE}/kernel/net")),
    );
    let work = tempfile::tempdir_in(support::target()).unwrap();
    let bytes = fs::read(&module).unwrap();
    fs::write(work.path().join("acme.ko"), &bytes).unwrap();
    let headers = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
    let patched = |name: &str, changes: &[(usize, &[u8])]| {
        let mut bytes = bytes.clone();
        for (at, value) in changes {
            bytes[*at..at + value.len()].copy_from_slice(value);
        }
        fs::write(work.path().join(name), bytes).unwrap();
    };
    // A count of 0 stands for the one in the size of the first section header.
    let many = (1_u64 << 32).to_le_bytes();
    patched("many.ko", &[(60, &[0, 0]), (headers + 32, &many)]);
    patched("far.ko", &[(40, &(1_u64 << 63).to_le_bytes())]);
    fs::write(work.path().join("cut.ko"), &bytes[..bytes.len() / 2]).unwrap();
    run(Command::new("sh")
        .args(["-e", "-c", HOSTILE])
        .current_dir(work.path()));
    let validate = |name: &str| {
        let started = Instant::now();
        let ended = Run::program("prlimit")
            .args([
                MEMORY,
                env!("CARGO_BIN_EXE_kabigate"),
                "validate",
                name,
                "--against",
            ])
            .args([&kernel.symvers])
            .dir(&work.path().join("deep/deep"))
            .end();
        assert!(started.elapsed() < PATIENCE, "{name}");
        ended
    };
    for (name, reason) in [
        ("bomb.ko.zst", "larger than the limit"),
        ("bomb.ko.xz", "larger than the limit"),
        ("bomb.tar.zst", "more than 536870912 bytes"),
        ("6.tar", "archives inside each other"),
        ("many.ko", "many.ko"),
        ("far.ko", "far.ko"),
        ("cut.ko", "cut.ko"),
        ("cut.deb", "cut.deb"),
        ("cut.tar.gz", "cut.tar.gz"),
    ] {
        let ended = validate(&format!("../../{name}"))
            .code(2)
            .out_has(name)
            .out_has(reason);
        assert!(!ended.err.contains("panicked"), "{}", ended.err);
    }
    validate("../../up.tar.gz").code(0).out_has("up.tar.gz/");
    assert!(!work.path().join("escaped").exists());
    assert!(!work.path().join("deep/escaped").exists());
}
