//! Program status frames.

use ioxproto::view::{Evaluation, RunState, Timestamp, ViewError};

use super::{event, system};

fn program(info: &str) -> Result<ioxproto::view::ProgramStatus, ViewError> {
    system("_1", "0", "", info).program_status()
}

#[test]
fn a_whole_frame() {
    let status = program(
        "<id>8D</id><on /><nr /><r>260506 14:30:36 </r><f>260506 14:30:37 </f><nsr>260507 00:00:00 </nsr><s>31</s>",
    )
    .unwrap();
    assert_eq!(status.id.to_string(), "008D");
    assert_eq!(status.enabled, Some(true));
    assert_eq!(status.run_at_reboot, Some(false));
    assert_eq!(status.run_state, Some(RunState::Idle));
    assert_eq!(status.evaluation, Some(Evaluation::False));
    assert_eq!(status.status(), Some(false));
    let expected = [
        (status.last_run, "2026-05-06T14:30:36-07:00"),
        (status.last_finish, "2026-05-06T14:30:37-07:00"),
        (status.next_run, "2026-05-07T00:00:00-07:00"),
    ];
    for (time, text) in expected {
        let time = time.unwrap();
        assert_eq!(time.to_string(), text);
        assert_eq!(time.instant(), Timestamp::parse(text));
    }
    assert_eq!(status.to_string(), "program 008D idle, false");
}

#[test]
fn an_id_is_the_same_with_any_padding() {
    let ids = ["8D", "08D", "008D", "008d", " 8D "];
    for id in ids {
        let status = program(&format!("<id>{id}</id>")).unwrap();
        assert_eq!(
            (status.id.number(), status.id.to_string().as_str()),
            (0x8D, "008D")
        );
    }
    assert_eq!(program("<id>12345</id>").unwrap().id.to_string(), "12345");
}

#[test]
fn parts_that_a_frame_lacks_are_none() {
    let status = program("<id>1</id><nsr>260507 00:00:00 </nsr>").unwrap();
    assert_eq!((status.enabled, status.run_at_reboot), (None, None));
    assert_eq!(
        (status.run_state, status.evaluation, status.status()),
        (None, None, None)
    );
    assert_eq!((status.last_run, status.last_finish), (None, None));
    assert_eq!(
        program("<id>1</id><off/><rr/>").unwrap().enabled,
        Some(false)
    );
    assert_eq!(
        program("<id>1</id><off/><rr/>").unwrap().run_at_reboot,
        Some(true)
    );
    assert_eq!(program("<id>1</id><r></r><s/>").unwrap().last_run, None);
}

#[test]
fn the_state_byte() {
    let cases = [
        ("11", Some(RunState::Idle), Evaluation::Unknown, None),
        ("21", Some(RunState::Idle), Evaluation::True, Some(true)),
        (
            "22",
            Some(RunState::RunningThen),
            Evaluation::True,
            Some(true),
        ),
        (
            "33",
            Some(RunState::RunningElse),
            Evaluation::False,
            Some(false),
        ),
        ("F1", None, Evaluation::NotLoaded, None),
        ("f1", None, Evaluation::NotLoaded, None),
        ("41", Some(RunState::Idle), Evaluation::Other(4), None),
        ("29", Some(RunState::Other(9)), Evaluation::True, Some(true)),
    ];
    for (text, run, evaluation, status) in cases {
        let view = program(&format!("<id>1</id><s>{text}</s>")).unwrap();
        assert_eq!(
            (view.run_state, view.evaluation),
            (run, Some(evaluation)),
            "{text}"
        );
        assert_eq!(view.status(), status);
    }
    assert_eq!(
        program("<id>8D</id><s>22</s>").unwrap().to_string(),
        "program 008D then running, true"
    );
    assert_eq!(
        program("<id>8D</id><s>F1</s>").unwrap().to_string(),
        "program 008D not loaded"
    );
}

#[test]
fn without_an_offset_from_utc_an_instant_is_unknown() {
    for timestamp in ["", "2026-05-06T14:30:36", "yesterday"] {
        let frame = event(&format!(
            r#"<Event timestamp="{timestamp}"><control>_1</control><action>0</action><eventInfo><id>1</id><r>260506 14:30:36 </r></eventInfo></Event>"#
        ));
        let time = frame.program_status().unwrap().last_run.unwrap();
        assert_eq!((time.instant(), time.offset_seconds()), (None, None));
        assert_eq!(time.to_string(), "2026-05-06T14:30:36");
    }
}

#[test]
fn an_invalid_frame_is_a_typed_error() {
    assert_eq!(program("<s>21</s>"), Err(ViewError::Missing { part: "id" }));
    for (info, expected) in [
        ("<id>xyz</id>", "id"),
        ("<id>-1</id>", "id"),
        ("<id>123456789</id>", "id"),
        ("<id></id>", "id"),
        ("<id>1</id><s>2</s>", "s"),
        ("<id>1</id><s>+1</s>", "s"),
        ("<id>1</id><r>today</r>", "r"),
        ("<id>1</id><f>261306 14:30:36</f>", "f"),
    ] {
        let error = program(info).unwrap_err();
        assert!(
            matches!(error, ViewError::Invalid { part, .. } if part == expected),
            "{info}: {error}"
        );
    }
    assert!(program("E8E7BC14.2B06").is_err());
}
