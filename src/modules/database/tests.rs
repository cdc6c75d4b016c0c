use super::super::testing::Builder;
use super::*;

fn found(path: &str, builder: &Builder) -> Found {
    Found {
        root: path.into(),
        module: Module::read(&builder.build(), path).expect("the module is valid"),
        package: None,
    }
}

fn scan(modules: Vec<Found>) -> Scan {
    Scan {
        modules,
        ..Scan::default()
    }
}

fn sample() -> Builder {
    Builder::default()
        .modinfo("license=GPL")
        .modinfo("version=2.1")
        .modinfo("vermagic=6.1.0 SMP ")
        .import(0x5b70_70d6, "__alloc_skb")
        .undefined("no_record")
        .weak("maybe")
        .export(0x12, "open", true, "NS")
}

/// The stored form has one import on each line and reads back as it was.
#[test]
fn what_was_written_reads_back() {
    let mut database = Database::default();
    let source = Source {
        provider: Some("acme".into()),
        version: Some("3".into()),
    };
    let merged = database.merge(scan(vec![found("drv/net-x.ko", &sample())]), &source);
    assert_eq!(merged.added, [("acme".to_owned(), "net_x".to_owned())]);
    let text = database.write().expect("writes");
    insta::assert_snapshot!(text, @r#"
    {
      "schema": 1,
      "modules": [
        {
          "provider": "acme",
          "version": "3",
          "module": "net_x",
          "path": "drv/net-x.ko",
          "source": "module",
          "module_version": "2.1",
          "licences": [
            "GPL"
          ],
          "vermagic": "6.1.0 SMP ",
          "srcversion": null,
          "in_tree": false,
          "this_module_size": 128,
          "versions": "basic",
          "depends": [],
          "namespaces": [],
          "weak": [
            "maybe"
          ],
          "imports": {
            "__alloc_skb": "0x5b7070d6",
            "maybe": null,
            "no_record": null
          },
          "exports": {
            "open": {
              "crc": "0x00000012",
              "class": "EXPORT_SYMBOL_GPL",
              "namespace": "NS"
            }
          }
        }
      ]
    }
    "#);
    let again = Database::read(text.as_bytes(), "modules.json").expect("reads");
    assert_eq!(again, database);
    assert_eq!(again.write().expect("writes"), text);
}

/// Merging adds, updates and leaves modules by provider and name, and tells which.
#[test]
fn merging_is_by_provider_and_name() {
    let mut database = Database::default();
    let source = Source::default();
    let first = vec![
        found("x/a.ko", &sample()),
        found("x/b.ko", &sample()),
        found("y/a.ko", &sample()),
    ];
    assert_eq!(database.merge(scan(first), &source).added.len(), 3);
    let second = vec![
        found("x/a.ko", &sample()),
        found("x/b.ko", &sample().undefined("more")),
    ];
    let merged = database.merge(scan(second), &source);
    assert_eq!(merged.unchanged, [("x".to_owned(), "a".to_owned())]);
    assert_eq!(merged.updated, [("x".to_owned(), "b".to_owned())]);
    assert_eq!(database.len(), 3);
    let users: Vec<_> = database
        .users("more")
        .map(|(e, _)| e.module.path.clone())
        .collect();
    assert_eq!(users, ["x/b.ko"]);
    assert_eq!(
        database
            .users("maybe")
            .filter(|(_, import)| import.weak)
            .count(),
        3
    );
}

/// Two files that are the same module of one provider are told if they differ, and are one if not.
#[test]
fn one_module_in_two_files_is_told() {
    let source = Source {
        provider: Some("acme".into()),
        version: None,
    };
    let mut database = Database::default();
    let equal = vec![found("x/a.ko", &sample()), found("y/a.ko", &sample())];
    assert!(database.merge(scan(equal), &source).problems.is_empty());
    let differ = vec![
        found("x/a.ko", &sample()),
        found("y/a.ko", &sample().undefined("more")),
    ];
    let merged = database.merge(scan(differ), &source);
    assert_eq!(
        merged.problems[0].to_string(),
        "y/a.ko: differs from x/a.ko, also module `a` of `acme`; scan them as different providers"
    );
}

/// Each kind of bad text has its message.
#[test]
fn bad_text_is_refused() {
    let mut database = Database::default();
    database.merge(scan(vec![found("x/a.ko", &sample())]), &Source::default());
    let good = database.write().expect("writes");
    let refusal = |text: &str| {
        Database::read(text.as_bytes(), "m.json")
            .expect_err("the text is bad")
            .to_string()
    };
    let end = "; correct the line or scan the modules again";
    assert_eq!(
        refusal(&good.replace("\"schema\": 1", "\"schema\": 2")),
        "m.json: schema 2 is not known, this program reads schema 1; use the program that wrote it, or scan the \
         modules again"
    );
    let unknown = refusal(&good.replace("\"path\"", "\"paht\""));
    assert!(
        unknown.starts_with("m.json:8:12: unknown field `paht`, expected one of "),
        "{unknown}"
    );
    let crc = refusal(&good.replace("0x5b7070d6", "5b7070d6"));
    assert!(
        crc.contains("CRC `5b7070d6`; expected 0x and 8 hexadecimal digits"),
        "{crc}"
    );
    let twice = refusal(&good.replace("\"no_record\"", "\"maybe\""));
    assert!(
        twice.contains("symbol `maybe` stands here twice"),
        "{twice}"
    );
    let cut = refusal(good.get(..good.len() / 2).unwrap_or_default());
    assert!(
        cut.contains("EOF while parsing") && cut.ends_with(end),
        "{cut}"
    );
    let module: String = good
        .lines()
        .skip(3)
        .take(good.lines().count() - 5)
        .collect();
    let double = format!("{{\"schema\": 1, \"modules\": [{module}, {module}]}}");
    assert_eq!(
        refusal(&double),
        "m.json: entry 2: module `a` of `x` stands here twice; correct it or scan the modules again"
    );
}
