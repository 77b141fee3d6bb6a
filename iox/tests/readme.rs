//! The README of the workspace shows the code of this crate's README, which compiles as doc tests.

const CRATE: &str = include_str!("../README.md");
const WORKSPACE: &str = include_str!("../../README.md");

/// The code blocks in one of these languages, in order.
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
    // Behind the documentation of the example.
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
