//! Tests of the model with a fake clock, and of its drawing.
//!
//! The expected screens are in `ioxcli/tests/top`. `IOX_UPDATE=1 cargo test -p ioxcli top` updates
//! them and the picture in the README.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ioxproto::names::{Names, NamesRead};
use ioxproto::rest::{CallError, CallProblem, Confirmation, Nodes, Programs};
use ioxproto::{Frame, FrameReader, Notification, Reason, Status, StatusChange};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::controller::Controller;
use super::model::{Effect, Input, Key, Model, View};
use super::render::{Theme, render};
use super::{SILENT, picture};

const NODES: &str = r#"<nodes><root>Home</root>
    <folder flag="0"><address>7</address><name>Hall</name></folder>
    <folder flag="0"><address>8</address><name>Upstairs</name><parent type="3">7</parent></folder>
    <node flag="128" nodeDefId="DimmerLampSwitch_ADV"><address>1A 2B 3C 1</address><name>Lamp</name><parent type="3">7</parent><type>1.32.69.0</type><enabled>true</enabled></node>
    <node flag="128"><address>1A 2B 3C 2</address><name>Night light</name><parent type="3">8</parent><enabled>true</enabled></node>
    <node flag="128"><address>n003_t1</address><name>Attic</name><enabled>false</enabled></node>
    <node flag="128"><address>n004_door</address><name>Front door</name><enabled>true</enabled></node>
    <group flag="132"><address>20481</address><name>Evening</name><members><link type="16">1A 2B 3C 1</link></members></group></nodes>"#;
const PROGRAMS: &str = r#"<programs><program id="008D" folder="false"><name>Porch at dusk</name></program></programs>"#;

/// A model and its clock.
struct Stage {
    model: Model,
    now: SystemTime,
}

impl Stage {
    /// Creates a model of controllers that have not started.
    fn of(labels: &[&str]) -> Self {
        // 2026-05-05 18:52:41 UTC.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_778_007_161);
        let controllers = labels.iter().map(|label| Controller::new(label, false));
        let model = Model::new(now, TimeZone::UTC, controllers.collect(), SILENT);
        Self { model, now }
    }

    /// Creates a model of one connected controller with a house and some events.
    fn with_house() -> Self {
        let mut stage = Self::of(&["home"]);
        stage.fill_house(0);
        stage
    }

    fn fill_house(&mut self, controller: usize) {
        self.status(controller, Status::StreamSyncing);
        self.names(controller, NODES);
        for (node, control, action, uom) in [
            ("1A 2B 3C 1", "ST", "0", "100"),
            ("1A 2B 3C 1", "OL", "255", "100"),
            ("1A 2B 3C 2", "ST", "128", "100"),
            ("n004_door", "ST", "0", "11"),
        ] {
            self.event(controller, false, node, control, action, uom);
        }
        self.status(controller, Status::Connected);
        self.wait(90);
        self.event(controller, true, "1A 2B 3C 1", "DON", "0", "0");
        self.event(controller, true, "1A 2B 3C 1", "ST", "255", "100");
        self.wait(60);
        self.event(controller, true, "n004_door", "ST", "100", "11");
        self.event(controller, true, "n004_door", "_3", "NE", "0");
        self.wait(5);
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.put(Input::Tick);
    }

    fn put(&mut self, input: Input) -> Vec<Effect> {
        self.model.update(self.now, input)
    }

    fn status(&mut self, controller: usize, status: Status) {
        let change = Notification::Status(StatusChange::new(status));
        self.put(Input::Notification(controller, change));
    }

    fn names(&mut self, controller: usize, nodes: &str) {
        let mut names = Names::default();
        names.take_nodes(&Nodes::parse(nodes.as_bytes()).unwrap());
        names.take_programs(&Programs::parse(PROGRAMS.as_bytes()).unwrap());
        let read = NamesRead::new(Arc::new(names));
        self.put(Input::Notification(controller, Notification::Names(read)));
    }

    fn event(
        &mut self,
        controller: usize,
        live: bool,
        node: &str,
        control: &str,
        action: &str,
        uom: &str,
    ) {
        let text = format!(
            r#"<Event seqnum="1"><control>{control}</control><action uom="{uom}" prec="0">{action}</action><node>{node}</node></Event>"#
        );
        let Frame::Event(event) = FrameReader::new().read(&text) else {
            panic!("not an event");
        };
        let event = event.with_live(live).with_received_at(self.now);
        self.put(Input::Notification(controller, Notification::Event(event)));
    }

    fn key(&mut self, key: Key) -> Vec<Effect> {
        self.put(Input::Key(key))
    }

    fn press(&mut self, keys: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for key in keys.chars() {
            effects.extend(self.key(Key::Character(key)));
        }
        effects
    }

    /// Moves the cursor to the row with this name.
    fn find(&mut self, name: &str) {
        self.key(Key::Home);
        for _ in 0..self.model.house_rows.len() {
            let screen = self.buffer(80, 24);
            let row = (0..24).find(|y| text(&screen, *y).contains(name)).unwrap();
            let cell = &screen[(40, row)];
            if cell.modifier.contains(ratatui::style::Modifier::REVERSED) {
                return;
            }
            self.key(Key::Down);
        }
        panic!("no row shows {name}");
    }

    fn buffer(&self, width: u16, height: u16) -> Buffer {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        render(&self.model, Theme { has_colour: true }, area, &mut buffer);
        buffer
    }

    fn screen(&self, width: u16, height: u16) -> String {
        let buffer = self.buffer(width, height);
        let lines = (0..height).map(|y| text(&buffer, y) + "\n");
        lines.collect()
    }
}

/// A line of a buffer.
fn text(buffer: &Buffer, y: u16) -> String {
    let cells = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol());
    cells.collect::<String>().trim_end().to_owned()
}

fn has_to_update() -> bool {
    std::env::var_os("IOX_UPDATE").is_some()
}

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/top")
        .join(name)
}

/// Compares a string with a stored file, or updates the file.
fn same(path: &Path, actual: &str) {
    if has_to_update() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        expected == actual,
        "{} differs; drawn was:\n{actual}",
        path.display()
    );
}

#[test]
fn each_view_is_drawn_as_expected_at_each_size() {
    let mut stages: BTreeMap<&str, Stage> = BTreeMap::new();
    let mut several = Stage::of(&["home", "cabin"]);
    several.fill_house(0);
    let mut lost = StatusChange::new(Status::LostConnection).with_reason(Reason::Closed {
        code: Some(1001),
        text: String::new(),
    });
    lost.retry_in = Some(Duration::from_secs(5));
    several.put(Input::Notification(1, Notification::Status(lost)));
    stages.insert("controllers", several);
    stages.insert("house", Stage::with_house());
    for (name, keys) in [("events", "3"), ("help", "?"), ("filter", "/lamp")] {
        let mut stage = Stage::with_house();
        stage.press(keys);
        stages.insert(name, stage);
    }
    let mut node = Stage::with_house();
    node.find("Lamp");
    node.key(Key::Enter);
    stages.insert("node", node);
    let mut question = Stage::with_house();
    question.find("Lamp");
    question.press("o");
    stages.insert("question", question);
    for (name, stage) in stages {
        for (width, height) in [(80, 24), (120, 40), (40, 10)] {
            let path = kept(&format!("{name}-{width}x{height}.txt"));
            same(&path, &stage.screen(width, height));
        }
    }
}

#[test]
fn the_picture_in_the_readme_is_up_to_date() {
    let mut stage = Stage::with_house();
    stage.find("Lamp");
    let picture = picture::svg(&stage.buffer(80, 13));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/top.svg");
    same(&path, &picture);
}

#[test]
fn drawing_works_at_any_size() {
    for stage in [
        Stage::of(&["home"]),
        Stage::with_house(),
        Stage::of(&["a", "b"]),
    ] {
        for (width, height) in [(0, 0), (1, 1), (20, 4), (21, 5), (3, 40), (200, 3)] {
            let _ = stage.buffer(width, height);
        }
    }
}

#[test]
fn a_command_is_sent_only_after_a_yes() {
    let mut stage = Stage::with_house();
    stage.find("Lamp");
    assert_eq!(stage.press("on"), []);
    assert_eq!(stage.press("y"), [], "the question was answered with no");
    let effects = stage.press("oy");
    let [Effect::Send(order)] = &*effects else {
        panic!("{effects:?}");
    };
    assert_eq!(order.command.path(), "/rest/nodes/1A%202B%203C%201/cmd/DON");
    assert_eq!(order.what, "Lamp (1A 2B 3C 1): on");
    let effects = stage.press("fy");
    assert!(matches!(&*effects, [Effect::Send(order)] if order.command.path().ends_with("/DOF")));
}

#[test]
fn a_level_is_typed_and_confirmed() {
    let mut stage = Stage::with_house();
    stage.find("Lamp");
    stage.press("l101");
    assert_eq!(stage.key(Key::Enter), []);
    assert!(stage.screen(80, 24).contains("a number from 0 to 100"));
    stage.press("l4x0");
    assert_eq!(stage.key(Key::Enter), []);
    let effects = stage.press("y");
    let [Effect::Send(order)] = &*effects else {
        panic!("{effects:?}");
    };
    assert!(
        order.command.path().ends_with("/cmd/DON/40/51"),
        "{order:?}"
    );
}

#[test]
fn a_program_runs_after_a_yes() {
    let mut stage = Stage::with_house();
    stage.find("Porch at dusk");
    for (key, path) in [('r', "run"), ('o', "runThen"), ('f', "runElse")] {
        let effects = stage.press(&format!("{key}y"));
        let [Effect::Send(order)] = &*effects else {
            panic!("{effects:?}");
        };
        assert!(
            order.command.path().ends_with(&format!("/{path}")),
            "{order:?}"
        );
    }
}

#[test]
fn nothing_is_sent_to_a_target_that_accepts_no_commands() {
    let mut stage = Stage::with_house();
    stage.find("Attic");
    assert_eq!(stage.press("oy"), []);
    stage.press("o");
    assert!(stage.screen(80, 24).contains("is disabled"));
    stage.find("Lamp");
    stage.status(0, Status::LostConnection);
    stage.press("o");
    assert!(
        stage
            .screen(80, 24)
            .contains("not connected: nothing can be sent")
    );
    assert_eq!(stage.press("y"), []);
}

#[test]
fn the_outcome_is_shown_and_logged() {
    let mut stage = Stage::with_house();
    for (outcome, words) in [
        (Ok(Confirmation::Confirmed), "Lamp: on: confirmed"),
        (Ok(Confirmation::Unchanged), "it already had this state"),
        (Ok(Confirmation::Unconfirmed), "no event shows"),
        (
            Err(CallError::without_effect(CallProblem::Stopped)),
            "stopped before",
        ),
    ] {
        stage.put(Input::Outcome(0, "Lamp: on".to_owned(), outcome));
        assert!(stage.screen(80, 24).lines().last().unwrap().contains(words));
        stage.press("3");
        assert!(stage.screen(120, 24).contains(words));
    }
}

#[test]
fn the_filter_applies_while_it_is_typed() {
    let mut stage = Stage::with_house();
    stage.press("/ni");
    let screen = stage.screen(80, 24);
    assert!(screen.contains("Night light") && !screen.contains("Attic"));
    stage.press("ghtx");
    assert!(stage.screen(80, 24).contains("Nothing matches"));
    stage.key(Key::Backspace);
    stage.key(Key::Enter);
    stage.press("3");
    let screen = stage.screen(80, 24);
    assert!(
        screen.contains("Night light") && !screen.contains("Front door"),
        "{screen}"
    );
    stage.key(Key::Escape);
    assert!(stage.screen(80, 24).contains("Front door"));
}

#[test]
fn a_paused_log_does_not_move_and_misses_nothing() {
    let mut stage = Stage::with_house();
    stage.press("3p");
    let before = stage.screen(80, 24);
    assert!(before.contains("PAUSED"));
    stage.model.take_redraw();
    stage.event(0, true, "1A 2B 3C 2", "ST", "77", "51");
    assert!(!stage.model.take_redraw());
    assert_eq!(stage.screen(80, 24), before);
    stage.press("p");
    assert!(stage.screen(80, 24).contains("77%"));
}

#[test]
fn only_visible_changes_ask_for_a_redraw() {
    let mut stage = Stage::with_house();
    stage.press("3/door");
    stage.key(Key::Enter);
    stage.model.take_redraw();
    stage.event(0, true, "1A 2B 3C 2", "ST", "10", "51");
    stage.wait(1);
    assert!(!stage.model.take_redraw());
    stage.event(0, true, "n004_door", "ST", "0", "11");
    assert!(stage.model.take_redraw());
    assert!(!stage.model.take_redraw());
}

#[test]
fn everything_that_grows_over_time_has_a_limit() {
    let mut stage = Stage::with_house();
    for value in 0..6_000 {
        stage.event(0, true, "1A 2B 3C 1", "GV1", &value.to_string(), "0");
    }
    assert_eq!(stage.model.log.entries_until(u64::MAX, "").count(), 5_000);
    assert_eq!(stage.model.controllers[0].history("1A 2B 3C 1").count(), 20);
    assert_eq!(stage.model.controllers[0].events, 6_004);
}

#[test]
fn events_are_counted_per_minute() {
    let mut stage = Stage::with_house();
    stage.wait(600);
    stage.event(0, true, "1A 2B 3C 1", "ST", "0", "100");
    let counts = stage.model.controllers[0].per_minute(stage.now);
    assert_eq!(counts.last(), Some(&1));
    assert_eq!(counts.iter().sum::<u64>(), 5);
    stage.wait(3600);
    let counts = stage.model.controllers[0].per_minute(stage.now);
    assert_eq!(counts.iter().sum::<u64>(), 0);
}

#[test]
fn long_silent_nodes_and_comm_errors_are_marked() {
    let mut stage = Stage::with_house();
    let line = |stage: &Stage, name: &str| {
        let screen = stage.screen(80, 24);
        screen
            .lines()
            .find(|line| line.contains(name))
            .unwrap()
            .to_owned()
    };
    assert!(line(&stage, "Front door").ends_with("! no answer"));
    assert!(line(&stage, "Attic").ends_with("x disabled"));
    assert!(!line(&stage, "Lamp").contains("silent"));
    stage.wait(25 * 60 * 60);
    assert!(line(&stage, "Lamp").ends_with("z silent"));
}

#[test]
fn folders_fold_and_the_cursor_stays_on_its_row() {
    let mut stage = Stage::with_house();
    stage.find("Night light");
    let nodes = NODES.replace("<root>", r#"<root/><node flag="128"><address>n000_new</address><name>Aaa</name><enabled>true</enabled></node><root>"#);
    stage.names(0, &nodes);
    stage.key(Key::Enter);
    assert_eq!(
        (stage.model.view, &*stage.model.node),
        (View::Node, "1A 2B 3C 2")
    );
    stage.key(Key::Escape);
    stage.find("- Hall");
    stage.key(Key::Enter);
    let screen = stage.screen(80, 24);
    assert!(screen.contains("+ Hall") && !screen.contains("Lamp") && !screen.contains("Night"));
}

#[test]
fn texts_from_a_controller_cannot_control_the_terminal() {
    let mut stage = Stage::of(&["home"]);
    stage.status(0, Status::StreamSyncing);
    let hostile = NODES.replace("Lamp", "L\u{202e}amp\u{200b}\u{9b}2J");
    stage.names(0, &hostile);
    stage.status(0, Status::Connected);
    stage.event(0, true, "1A 2B 3C 1", "ST", "\u{9b}31m\u{202e}", "0");
    for keys in ["2", "3", "1"] {
        stage.press(keys);
        let screen = stage.screen(80, 24);
        let is_bad = |character: char| {
            (character.is_control() && character != '\n')
                || matches!(character, '\u{202e}' | '\u{200b}')
        };
        assert!(!screen.contains(is_bad), "{screen:?}");
    }
}

#[test]
fn keys_quit_suspend_and_repaint() {
    let mut stage = Stage::with_house();
    assert_eq!(stage.key(Key::Control('z')), [Effect::Suspend]);
    assert_eq!(stage.key(Key::Control('l')), [Effect::Repaint]);
    assert_eq!(stage.press("q"), [Effect::Quit]);
    stage.press("/");
    assert_eq!(stage.press("q"), [], "it is part of the filter");
    assert_eq!(stage.key(Key::Control('c')), [Effect::Quit]);
}
