//! Checks that the README of the workspace shows the same code as this crate's README, whose code
//! is compiled as doc tests.

use std::fs;
use std::path::Path;

const CRATE: &str = include_str!("../README.md");
const WORKSPACE: &str = include_str!("../../README.md");

/// The code blocks in any of these languages, in order.
fn blocks<'a>(text: &'a str, languages: &[&str]) -> Vec<&'a str> {
    // Text and code alternate.
    let code = text.split("```").skip(1).step_by(2);
    let blocks = code.filter_map(|block| block.split_once('\n'));
    blocks
        .filter(|(language, _)| languages.contains(language))
        .map(|(_, code)| code)
        .collect()
}

#[test]
fn both_readmes_show_the_same_code() {
    let languages = ["rust,no_run", "toml"];
    let shown = blocks(CRATE, &languages);
    assert_eq!(shown.len(), 4, "dependencies and a program, both ways");
    assert_eq!(blocks(WORKSPACE, &languages), shown);
    for text in [CRATE, WORKSPACE] {
        let rust = text.matches("```rust").count();
        assert_eq!(rust, 2, "Rust code that is not compared");
    }
}

#[test]
fn the_programs_are_the_examples() {
    let examples = [
        include_str!("../examples/watch.rs"),
        include_str!("../examples/watch_blocking.rs"),
    ];
    // The program follows the documentation of the example.
    let programs = examples.map(|example| example.split_once("\n\n").unwrap().1);
    assert_eq!(blocks(CRATE, &["rust,no_run"]), programs);
}

#[test]
fn the_dependency_lines_name_this_version() {
    let (version, _patch) = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap();
    let dependencies = blocks(CRATE, &["toml"]);
    assert!(dependencies[0].contains(&format!("iox = \"{version}\"")));
    assert!(dependencies[1].contains(&format!("iox = {{ version = \"{version}\"")));
}

#[test]
fn every_example_is_in_the_table_with_its_command() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut examples = Vec::new();
    for package in fs::read_dir(workspace).unwrap() {
        let package = package.unwrap();
        let Ok(files) = fs::read_dir(package.path().join("examples")) else {
            continue;
        };
        let package = package.file_name().into_string().unwrap();
        for file in files {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            examples.push((package.clone(), name));
        }
    }
    assert!(!examples.is_empty());

    let rows: Vec<&str> = WORKSPACE
        .lines()
        .filter(|line| line.contains(" --example "))
        .collect();
    assert_eq!(rows.len(), examples.len(), "{rows:#?}\n{examples:#?}");
    for (package, name) in examples {
        let link = format!("[`{name}`]({package}/examples/{name}");
        let row = rows.iter().find(|row| row.contains(&link));
        let row = row.unwrap_or_else(|| panic!("{package}: {name} is missing"));
        assert!(row.contains(&format!("-p {package} ")), "{row}");
        assert!(row.contains(&format!("--example {name} ")), "{row}");
    }
}

#[test]
fn the_rust_version_is_that_of_the_packages() {
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(WORKSPACE.contains(&format!("Rust {version} or later")));
}
