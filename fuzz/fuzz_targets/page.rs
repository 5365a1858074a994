//! The reader of pages: whatever comes, in whatever pieces, is read or refused, the same way.
#![no_main]

use entra_sspr::tenant::page::{Collect, Page, Rows};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::Value;

fn read(text: &[u8], cut: usize) -> Option<(Vec<Value>, Option<String>, Option<u64>)> {
    let mut page = Page::default();
    let mut rows = Collect::<Value>::default();
    for chunk in text.chunks(cut) {
        page.feed(chunk, &mut rows).ok()?;
    }
    page.finish().ok()?;
    rows.commit();
    Some((rows.items, page.next_link, page.count))
}

/// A page as a parser of whole documents reads it.
#[derive(Deserialize)]
struct Whole {
    value: Vec<Value>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
    #[serde(rename = "@odata.count")]
    count: Option<u64>,
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, text)) = data.split_first() else {
        return;
    };
    let whole = read(text, text.len().max(1));
    assert_eq!(read(text, usize::from(*cut).max(1)), whole, "how it was cut changes what was read");
    // What is a page to another parser is the same page to this one.
    if let Ok(text) = std::str::from_utf8(text)
        && text.trim_start().starts_with('{')
        && let Ok(page) = serde_json::from_str::<Whole>(text)
    {
        assert_eq!(whole, Some((page.value, page.next_link, page.count)));
    }
});
