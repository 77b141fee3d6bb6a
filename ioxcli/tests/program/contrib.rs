//! The files for service managers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../contrib")
        .join(name)
}

#[test]
fn systemd_accepts_the_unit() {
    let unit = fs::read_to_string(contrib("systemd/iox-bridge.service")).unwrap();
    let program = env!("CARGO_BIN_EXE_iox");
    let here = unit.replace("/usr/local/bin/iox", program);
    assert_ne!(here, unit);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("iox-bridge.service");
    fs::write(&path, here).unwrap();
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.args(arguments).arg(&path).output()
    };
    let output = match analyze(&["verify", "--man=no"]) {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: systemd-analyze cannot be run: {error}");
            return;
        }
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // Ignore messages about other units of this machine.
    let of_ours: Vec<&str> = said.lines().filter(|line| line.contains("iox")).collect();
    assert!(output.status.success() && of_ours.is_empty(), "{output:?}");
    // systemd rates an exposure below 2 as OK. The threshold is in tenths.
    let output = analyze(&["security", "--offline=true", "--threshold=20"]).unwrap();
    let is_old = String::from_utf8_lossy(&output.stderr).contains("unrecognized option");
    assert!(output.status.success() || is_old, "{output:?}");
}

#[test]
fn the_property_list_of_launchd_is_valid() {
    let text = fs::read_to_string(contrib("launchd/org.iox.bridge.plist")).unwrap();
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..Default::default()
    };
    let document = roxmltree::Document::parse_with_options(&text, options).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "plist");
    let dictionary = root.first_element_child().unwrap();
    let mut elements = dictionary.children().filter(roxmltree::Node::is_element);
    let mut keys = Vec::new();
    while let Some(key) = elements.next() {
        assert_eq!(key.tag_name().name(), "key");
        let value = elements.next().expect("a value for each key");
        if key.text() == Some("ProgramArguments") {
            let words = value
                .children()
                .filter_map(|word| word.first_child()?.text());
            let words: Vec<_> = words.collect();
            assert_eq!(words, ["/usr/local/bin/iox", "bridge"]);
        }
        keys.push(key.text().unwrap().to_owned());
    }
    assert!(keys.contains(&"Label".to_owned()), "{keys:?}");
}
