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
