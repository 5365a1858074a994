//! Saved snapshots: read or refused; what is read is judged, shown, and written so that it reads the same again.
#![no_main]

use entra_sspr::readiness::{Selection, assess};
use entra_sspr::snapshot::Snapshot;
use entra_sspr::steps::STEPS;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(snapshot) = Snapshot::from_json(text) else {
        return;
    };
    // Each step by itself first: `assess` would catch its panic.
    for step in STEPS {
        (step.check)(&snapshot);
    }
    assess(&snapshot, STEPS, &Selection::default());
    let written = snapshot.to_json().expect("what was read can be written");
    assert_eq!(Snapshot::from_json(&written).expect("and read again"), snapshot);
});
