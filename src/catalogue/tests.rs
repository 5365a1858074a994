use super::*;
use crate::steps::STEPS;
use std::fmt::Write;
use std::path::Path;

#[test]
fn every_row_is_found_before_or_after_or_says_why_not() {
    let checks: Vec<&str> = STEPS
        .iter()
        .flat_map(|step| step.checks)
        .map(|check| check.id)
        .collect();
    let numbers: Vec<u8> = ROWS.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=45).collect::<Vec<u8>>());
    for row in ROWS {
        for check in row.before.iter().chain(row.after) {
            assert!(checks.contains(check), "{}: there is no check {check}", row.number);
        }
        let covered = !(row.before.is_empty() && row.after.is_empty() && row.events.is_empty());
        assert_ne!(covered, !row.neither.is_empty(), "{}", row.number);
        // Every event of a row is recognised, as that row or as one that has the same.
        for sign in row.events {
            let event = SyncEvent {
                provider: sign.provider.into(),
                id: sign.id,
                line: format!("x {} y", sign.says.join(" then ")),
                ..SyncEvent::default()
            };
            let found = recognised(&event).unwrap();
            assert!(
                found
                    .events
                    .iter()
                    .any(|own| own.id == sign.id && own.says == sign.says),
                "{}",
                row.number
            );
        }
    }
    let covered = ROWS.iter().filter(|row| row.neither.is_empty()).count();
    assert!(covered >= 38, "{covered}");
}

#[test]
fn an_event_is_known_by_what_its_text_says() {
    let row = |id: u32, line: &str| {
        let event = SyncEvent {
            provider: if id < 10_000 { ENGINE.into() } else { RESET.into() },
            id,
            line: line.into(),
            ..SyncEvent::default()
        };
        recognised(&event).map(|row| row.number)
    };
    assert_eq!(row(33004, "hr=80230626, message=denied"), Some(1));
    assert_eq!(row(33004, "hr=80231367"), Some(4));
    assert_eq!(row(33008, "hr=80230619, message=A restriction"), Some(9));
    assert_eq!(row(33008, ""), Some(10));
    assert_eq!(
        row(
            6329,
            "ERR_: admaexport.cpp(2939): Failed to acquire user information: 0x6ba"
        ),
        Some(8)
    );
    assert_eq!(
        row(6329, "ERR_: Failed to acquire user information: ERROR_ACCESS_DENIED"),
        Some(5)
    );
    let asked = "ERR_: MMS(1234): admaexport.cpp(2944): Failed to acquire user information: Contoso\\MSOL_1. Error Code: ERROR_ACCESS_DENIED";
    assert_eq!(row(6329, asked), Some(5));
    assert_eq!(row(6329, "Failed to acquire user information: 0x5"), Some(5));
    for other in ["0x54b", "0x57", "0x5a"] {
        assert_eq!(row(6329, &format!("Failed to acquire user information: {other}")), None);
    }
    assert_eq!(row(33001, "hr=80004005"), None);
    assert_eq!(row(6329, "something else"), None);
    assert_eq!(row(31019, ""), None);
}

/// The numbers of the rows that a clue may tell of, the likeliest first.
fn rows(clue: Clue<'_>) -> Vec<u8> {
    resolve(&clue).iter().map(|(row, _)| row.number).collect()
}

fn text(text: &str) -> Vec<u8> {
    rows(Clue {
        text,
        ..Clue::default()
    })
}

#[test]
fn every_row_is_found_by_all_that_it_names() {
    for row in ROWS {
        let number = row.number;
        // What it says was seen finds it, before most others.
        let found = text(row.symptom);
        let place = found.iter().position(|n| *n == number);
        assert!(place.is_some_and(|place| place < 4), "{number}: {found:?}");
        // So does each of its codes, quotes and events alone.
        let parts = row.symptom.split([';', ',']).map(str::trim);
        let coded = parts.filter(|part| part.contains("SSPR_") || part.contains("hr="));
        let quoted = row.symptom.split('"').skip(1).step_by(2);
        for input in coded.chain(quoted) {
            assert!(text(input).contains(&number), "{number}: {input}");
        }
        for sign in row.events {
            let message = format!("TrackingId: 1, Reason: {}, Details: x", sign.says.join(" then "));
            let clue = |provider, text| Clue {
                text,
                id: Some(sign.id),
                provider,
            };
            let whole = rows(clue(Some(sign.provider), message.as_str()));
            assert!(whole.contains(&number), "{number}: {} {message}: {whole:?}", sign.id);
            assert!(rows(clue(None, "")).contains(&number), "{number}: {}", sign.id);
            assert_eq!(rows(clue(Some("Another"), "")), [0; 0]);
        }
    }
}

#[test]
fn codes_are_known_in_each_spelling() {
    for spelling in [
        "SSPR_0029",
        "sspr_0029",
        "0029",
        "SSPR_0029: your organization",
        "Error SSPR_0029.",
    ] {
        assert_eq!(text(spelling), [1, 2, 3], "{spelling}");
    }
    assert_eq!(text("29"), [1]);
    assert_eq!(text("9"), [22, 23]);
    assert_eq!(text("SSPR_009"), [22]);
    assert_eq!(text("SSPR_0009"), [23]);
    assert_eq!(text("0013"), [23]);
    assert_eq!(text("SSPR_0030"), [20]);
    let denied = text("hr=80230626");
    assert_eq!(denied[0], 1);
    for spelling in [
        "80230626",
        "0x80230626",
        "HR=80230626",
        "-2145188314",
        "failed (0x80230626)",
    ] {
        assert_eq!(text(spelling), denied, "{spelling}");
    }
    assert_eq!(text("hr=8023062C")[0], 14);
    assert_eq!(text("0x8023062c")[0], 14);
    assert_eq!(text("0x800700CE")[0], 19);
    assert_eq!(text("31034"), [25]);
    // A number without the event's text: the commonest cause first, whatever stands around it.
    for spelling in ["33008", "event 33008", "Event ID: 33008", "error 33008"] {
        assert_eq!(text(spelling), [9, 10, 11, 12], "{spelling}");
    }
    let number = Clue {
        id: Some(33008),
        ..Clue::default()
    };
    assert_eq!(rows(number), [9, 10, 11, 12]);
    assert_eq!(text("OnPremisesSuccessCloudFailure"), [41]);
    for (name, code) in [
        ("OnPremisesConnectivityError", "SSPR_0030"),
        ("UserNotLicensed", "SSPR_0012"),
        ("WritebackNotEnabled", "SSPR_0010"),
    ] {
        assert_eq!(text(name), text(code), "{name}");
        assert!(!text(name).is_empty());
    }
    for unknown in [
        "",
        " ",
        "SSPR_0404",
        "hr=80004005",
        "0x80004005",
        "31019",
        "reset",
        "what is this",
        "365",
        "0",
        "-1",
    ] {
        assert_eq!(text(unknown), [0; 0], "{unknown}");
    }
}

#[test]
fn an_event_that_says_more_comes_first() {
    let event = |id: u32, provider, text| {
        rows(Clue {
            text,
            id: Some(id),
            provider: Some(provider),
        })
    };
    let denied = event(33004, RESET, "Details: hr=80230626, message=denied");
    assert_eq!(denied[..3], [1, 2, 3]);
    assert_eq!(event(33004, RESET, "hr=80231367")[0], 4);
    assert_eq!(event(33008, RESET, "hr=80230619, message=A restriction")[0], 9);
    assert_eq!(event(33008, RESET, "refused by a filter")[0], 10);
    assert_eq!(
        event(6329, ENGINE, "ERR_: Failed to acquire user information: 0x6ba")[0],
        8
    );
    // Its cause is not in the table, whatever else the table knows of this number.
    assert_eq!(event(6329, ENGINE, "ERR_: something else: 0x80004005"), [0; 0]);
    assert_eq!(event(6329, "Application Error", ""), [0; 0]);
}

/// The page that admins read.
fn page() -> String {
    let listed = |checks: &[&str]| {
        let all: Vec<String> = checks.iter().map(|check| format!("`{check}`")).collect();
        all.join(", ")
    };
    let events = |row: &Row| {
        let one = |sign: &Sign| match sign.says {
            [] => format!("{} {}", sign.provider, sign.id),
            says => format!("{} {} \"{}\"", sign.provider, sign.id, says.join("\" and \"")),
        };
        row.events.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    let covered = ROWS.iter().filter(|row| row.neither.is_empty()).count();
    let mut page = format!(
        "# Failure catalogue\n\n\
         Every cause that is known for a reset which does not reach the directory: the check that finds it before a user does, and the\n\
         event of the Entra Connect server, or the check, that recognises it afterwards. {covered} of {} are covered. Made from\n\
         `src/catalogue.rs` by `cargo xtask generate`.\n\n\
         | # | seen | cause | what to do | found before | recognised after |\n|---|---|---|---|---|---|\n",
        ROWS.len()
    );
    for row in ROWS {
        let mut after: Vec<String> = [listed(row.after), events(row)]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        if !row.neither.is_empty() {
            after.push(format!("Neither: {}", row.neither));
        }
        let cells = [row.symptom, row.cause, row.fix, &listed(row.before), &after.join("; ")]
            .map(|cell| cell.replace('|', "\\|"));
        writeln!(page, "| {} | {} |", row.number, cells.join(" | ")).unwrap();
    }
    page
}

#[test]
fn the_page_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/catalogue.md");
    if std::env::var_os("SSPR_WRITE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        page(),
        "run `cargo xtask generate`"
    );
}

#[test]
fn what_is_seen_stands_alone() {
    let seen = |number| row(number).unwrap().seen();
    assert_eq!(seen(1), "SSPR_0029; event 33004, hr=80230626");
    assert_eq!(seen(2), seen(1));
    assert_eq!(
        seen(12),
        "a second reset within a day is refused; event 33008, hr=80230619"
    );
    for row in ROWS {
        assert!(!row.seen().contains("the same"), "{}", row.number);
    }
    assert!(row(46).is_none());
}
