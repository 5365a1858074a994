//! Reads a page of a collection as it arrives: the next link as soon as it is there, each entry as soon as it is whole.

use crate::tree::Read;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::any::Any;

/// Takes the entries of one page.
pub trait Entries: Send + 'static {
    /// One entry, borrowed from the page.
    type Entry<'a>: Deserialize<'a>;

    /// Reads and takes an entry of the usual form faster than serde can; returns its length, or None to leave it to serde.
    fn quick(&mut self, _text: &[u8]) -> Option<usize> {
        None
    }

    /// Takes an entry.
    fn entry(&mut self, entry: Self::Entry<'_>);

    /// The page broke off: its entries are forgotten, it will be read again.
    fn discard(&mut self);

    /// Takes what has arrived of their page. The long lists' own do so in this crate, for its speed.
    fn feed(&mut self, page: &mut Page, chunk: &[u8]) -> Result<(), PageError>
    where
        Self: Sized,
    {
        page.feed(chunk, self)
    }
}

impl<T: DeserializeOwned + Send + 'static> Entries for Vec<T> {
    type Entry<'a> = Read<T>;

    fn entry(&mut self, entry: Read<T>) {
        self.push(entry.0);
    }

    fn discard(&mut self) {
        self.clear();
    }
}

/// Takes the pages of a collection, in their order. Several are read at once, each into entries of its own.
pub trait Rows: Send {
    /// What takes the entries of a page.
    type Page: Entries;

    /// For a page that is about to be read.
    fn page(&mut self) -> Self::Page;

    /// Takes over a page's entries: all of them, or none where it could not be read.
    fn take(&mut self, page: Self::Page);
}

/// Entries of any type, so that what waits for answers and retries is compiled for one type only.
pub trait Sink: Any + Send {
    /// Takes what has arrived of a page.
    fn feed(&mut self, page: &mut Page, chunk: &[u8]) -> Result<(), PageError>;

    /// The page broke off.
    fn discard(&mut self);
}

impl<E: Entries> Sink for E {
    fn feed(&mut self, page: &mut Page, chunk: &[u8]) -> Result<(), PageError> {
        Entries::feed(self, page, chunk)
    }

    fn discard(&mut self) {
        Entries::discard(self);
    }
}

/// Rows of any type.
pub trait Sinks: Send {
    /// For a page that is about to be read.
    fn sink(&mut self) -> Box<dyn Sink>;

    /// Takes over a page's entries.
    fn take_over(&mut self, sink: Box<dyn Sink>);
}

impl<R: Rows> Sinks for R {
    fn sink(&mut self) -> Box<dyn Sink> {
        Box::new(self.page())
    }

    fn take_over(&mut self, sink: Box<dyn Sink>) {
        let sink: Box<dyn Any> = sink;
        if let Ok(page) = sink.downcast::<R::Page>() {
            self.take(*page);
        }
    }
}

/// Keeps every entry: for short collections.
impl<T: for<'a> Deserialize<'a> + Send + 'static> Rows for Vec<T> {
    type Page = Vec<T>;

    fn page(&mut self) -> Vec<T> {
        Vec::new()
    }

    fn take(&mut self, mut page: Vec<T>) {
        self.append(&mut page);
    }
}

/// What is wrong with a page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Not JSON, or not of the documented form.
    #[error("the answer is not a documented collection: {0}")]
    Form(String),
    /// The answer ended in its middle.
    #[error("the answer ended in its middle")]
    Truncated,
    /// One entry is too long to be one.
    #[error("one entry is longer than {MAX_ENTRY} bytes")]
    TooLong,
}

/// Longer than any documented entry; keeps a hostile answer from filling the memory.
const MAX_ENTRY: usize = 4 * 1024 * 1024;
/// So much is added at first to an entry that the chunk before left unfinished.
const PIECE: usize = 2 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Start,
    Member,
    Items,
    Done,
}

/// Where a list of entries or members stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Between {
    /// Behind its opening: an entry or the end comes.
    Opening,
    /// Behind an entry: a comma or the end comes.
    Entry,
    /// Behind a comma: an entry comes.
    Comma,
}

/// The state of reading one page.
#[derive(Debug)]
pub struct Page {
    /// What has arrived of something that is not whole yet.
    buffer: Vec<u8>,
    state: State,
    between: Between,
    /// The link to the next page, as soon as it has been read.
    pub next_link: Option<String>,
    /// `@odata.count`, where asked for.
    pub count: Option<u64>,
    seen_value: bool,
}

impl Default for Page {
    fn default() -> Self {
        Page {
            buffer: Vec::new(),
            state: State::Start,
            between: Between::Opening,
            next_link: None,
            count: None,
            seen_value: false,
        }
    }
}

enum Step {
    More,
    Wait,
}

impl Page {
    /// Takes what has arrived. Entries are read where they lie; only one that a chunk cuts is copied.
    pub fn feed<E: Entries>(&mut self, mut chunk: &[u8], entries: &mut E) -> Result<(), PageError> {
        let mut piece = PIECE;
        while !self.buffer.is_empty() && !chunk.is_empty() {
            let mut buffer = std::mem::take(&mut self.buffer);
            let left = buffer.len();
            let added = piece.min(chunk.len());
            buffer.extend_from_slice(&chunk[..added]);
            let read = self.read(&buffer, entries)?;
            match read.checked_sub(left) {
                // What was left is read: go on in the chunk itself.
                Some(of_chunk) => {
                    chunk = &chunk[of_chunk..];
                    buffer.clear();
                }
                None => {
                    chunk = &chunk[added..];
                    buffer.drain(..read);
                    piece *= 2;
                }
            }
            self.buffer = buffer;
        }
        if !chunk.is_empty() {
            let read = self.read(chunk, entries)?;
            self.buffer.extend_from_slice(&chunk[read..]);
        }
        if self.buffer.len() > MAX_ENTRY {
            return Err(PageError::TooLong);
        }
        Ok(())
    }

    /// Reads what is whole; returns how much that was.
    fn read<E: Entries>(&mut self, text: &[u8], entries: &mut E) -> Result<usize, PageError> {
        let mut at = 0;
        while let Step::More = self.step(text, &mut at, entries)? {}
        Ok(at)
    }

    /// Says that nothing more comes.
    pub fn finish(&self) -> Result<(), PageError> {
        match self.state {
            State::Done if self.seen_value => Ok(()),
            State::Done => Err(PageError::Form("it has no member 'value'".into())),
            State::Start if self.buffer.iter().any(|b| !b.is_ascii_whitespace()) => {
                Err(PageError::Form("not an object".into()))
            }
            _ => Err(PageError::Truncated),
        }
    }

    fn step<E: Entries>(&mut self, buffer: &[u8], at: &mut usize, entries: &mut E) -> Result<Step, PageError> {
        while buffer.get(*at).is_some_and(u8::is_ascii_whitespace) {
            *at += 1;
        }
        let rest = &buffer[*at..];
        let Some(first) = rest.first() else {
            return Ok(Step::Wait);
        };
        if matches!(self.state, State::Member | State::Items) {
            let end = if self.state == State::Items { b']' } else { b'}' };
            match (self.between, *first) {
                (Between::Entry, b',') => {
                    *at += 1;
                    self.between = Between::Comma;
                    return Ok(Step::More);
                }
                (Between::Entry, byte) if byte != end => return Err(PageError::Form("a comma is missing".into())),
                (Between::Comma, byte) if byte == end => return Err(PageError::Form("a comma before an end".into())),
                _ => {}
            }
        }
        match (self.state, first) {
            (State::Start, b'{') => {
                *at += 1;
                self.state = State::Member;
                self.between = Between::Opening;
            }
            (State::Start, _) if rest.starts_with(b"\xef\xbb\xbf") => *at += 3,
            (State::Start, 0xef) if rest.len() < 3 => return Ok(Step::Wait),
            (State::Start, _) => return Err(PageError::Form("not an object".into())),
            (State::Member, b'}') => {
                *at += 1;
                self.state = State::Done;
            }
            (State::Member, _) => return self.member(rest, at),
            (State::Items, b']') => {
                *at += 1;
                self.state = State::Member;
                self.between = Between::Entry;
            }
            (State::Items, _) => {
                let mut rest = rest;
                // Most entries are followed by one of the same form at once.
                while let Some(length) = entries.quick(rest) {
                    *at += length;
                    self.between = Between::Entry;
                    match &rest[length..] {
                        [b',', next @ ..] if next.first() == Some(&b'{') => {
                            *at += 1;
                            self.between = Between::Comma;
                            rest = next;
                        }
                        _ => return Ok(Step::More),
                    }
                }
                let mut stream = serde_json::Deserializer::from_slice(rest).into_iter::<E::Entry<'_>>();
                match stream.next() {
                    // A number is whole only when something follows it.
                    Some(Ok(_)) if stream.byte_offset() == rest.len() && !matches!(first, b'{' | b'[' | b'"') => {
                        return Ok(Step::Wait);
                    }
                    Some(Ok(entry)) => {
                        entries.entry(entry);
                        *at += stream.byte_offset();
                        self.between = Between::Entry;
                    }
                    Some(Err(error)) if error.is_eof() => return Ok(Step::Wait),
                    Some(Err(error)) => return Err(PageError::Form(error.to_string())),
                    None => return Ok(Step::Wait),
                }
            }
            (State::Done, _) => return Err(PageError::Form("text after its end".into())),
        }
        Ok(Step::More)
    }

    /// A member of the envelope: `value` opens the entries, the others are read whole.
    fn member(&mut self, rest: &[u8], at: &mut usize) -> Result<Step, PageError> {
        let mut names = serde_json::Deserializer::from_slice(rest).into_iter::<std::borrow::Cow<'_, str>>();
        let name = match names.next() {
            Some(Ok(name)) => name,
            Some(Err(error)) if !error.is_eof() => return Err(PageError::Form(error.to_string())),
            _ => return Ok(Step::Wait),
        };
        let mut offset = names.byte_offset();
        let skip = |offset: &mut usize| {
            while rest.get(*offset).is_some_and(u8::is_ascii_whitespace) {
                *offset += 1
            }
        };
        skip(&mut offset);
        match rest.get(offset) {
            None => return Ok(Step::Wait),
            Some(b':') => offset += 1,
            Some(_) => return Err(PageError::Form("a member without a value".into())),
        }
        skip(&mut offset);
        if name == "value" && rest.get(offset) == Some(&b'[') {
            if self.seen_value {
                return Err(PageError::Form("'value' stands twice".into()));
            }
            self.state = State::Items;
            self.between = Between::Opening;
            self.seen_value = true;
            *at += offset + 1;
            return Ok(Step::More);
        }
        let mut values = serde_json::Deserializer::from_slice(&rest[offset..]).into_iter::<&RawValue>();
        let value = match values.next() {
            Some(Ok(value)) => value,
            Some(Err(error)) if !error.is_eof() => return Err(PageError::Form(error.to_string())),
            _ => return Ok(Step::Wait),
        };
        let end = offset + values.byte_offset();
        // A number is whole only when something follows it.
        if rest.len() == end {
            return Ok(Step::Wait);
        }
        let form = |error: serde_json::Error| PageError::Form(error.to_string());
        match name.as_ref() {
            "@odata.nextLink" => self.next_link = serde_json::from_str(value.get()).map_err(form)?,
            "@odata.count" => self.count = serde_json::from_str(value.get()).map_err(form)?,
            "value" => return Err(PageError::Form("'value' is not an array".into())),
            _ => {}
        }
        *at += end;
        self.between = Between::Entry;
        Ok(Step::More)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(text: &[u8], cut: usize) -> Result<(Vec<Value>, Option<String>), PageError> {
        let mut page = Page::default();
        let mut rows = Vec::<Value>::new();
        for chunk in text.chunks(cut.max(1)) {
            page.feed(chunk, &mut rows)?;
        }
        page.finish()?;
        Ok((rows, page.next_link))
    }

    #[test]
    fn the_next_link_is_there_before_the_entries() {
        let mut page = Page::default();
        let mut rows = Vec::<Value>::new();
        page.feed(
            br#"{"@odata.context":"c","@odata.nextLink":"https://x/2","val"#,
            &mut rows,
        )
        .unwrap();
        assert_eq!(page.next_link.as_deref(), Some("https://x/2"));
    }

    #[test]
    fn a_page_that_ends_early_is_told() {
        let text = br#"{"value":[{"a":1},{"a":2}]}"#;
        for end in 1..text.len() {
            assert!(matches!(read(&text[..end], 3), Err(PageError::Truncated)), "{end}");
        }
        assert!(matches!(read(b"<html>", 99), Err(PageError::Form(_))));
        assert!(matches!(read(b"{}", 99), Err(PageError::Form(_))));
        assert!(matches!(read(br#"{"value":{}}"#, 99), Err(PageError::Form(_))));
        assert!(matches!(read(br#"{"value":[]} x"#, 99), Err(PageError::Form(_))));
    }

    #[test]
    fn what_only_looks_like_json_is_refused_wherever_it_is_cut() {
        let texts = [
            r#"{"value":[{"a":1}{"b":2}]}"#,
            r#"{"value":[{"a":1},]}"#,
            r#"{"value":[,{"a":1}]}"#,
            r#"{"value":[{"a":1},,{"b":2}]}"#,
            r#"{"value":[] "a":1}"#,
            r#"{"value":[],}"#,
            r#"{,"value":[]}"#,
            r#"{"a":1"value":[]}"#,
            r#"{"value":[333"aa"]}"#,
            r#"{"value":[1],"value":[2]}"#,
        ];
        for text in texts {
            for cut in 1..=text.len() {
                assert!(
                    matches!(read(text.as_bytes(), cut), Err(PageError::Form(_))),
                    "{text} cut at {cut}"
                );
            }
        }
        for cut in 1..30 {
            assert_eq!(
                read(br#"{"value":[12,345 ,null]}"#, cut).unwrap().0,
                [json!(12), json!(345), json!(null)]
            );
        }
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_entries(cut in 1usize..40, names in proptest::collection::vec(".{0,12}", 0..6), after in any::<bool>()) {
            let items: Vec<Value> = names.iter().map(|n| json!({"name": n, "deep": {"list": [1, "]}", null]}})).collect();
            let text = if after {
                format!(r#"{{ "value" : {}, "@odata.count": 3, "@odata.nextLink" : "https://x/n" }} "#, Value::from(items.clone()))
            } else {
                format!(r#"{{"@odata.count":3,"@odata.nextLink":"https://x/n","value":{}}}"#, Value::from(items.clone()))
            };
            let (read, next) = read(text.as_bytes(), cut).unwrap();
            prop_assert_eq!(read, items);
            prop_assert_eq!(next.as_deref(), Some("https://x/n"));
        }

        #[test]
        fn random_bytes_are_refused_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 1usize..20) {
            let _ = read(&bytes, cut);
        }
    }
}
