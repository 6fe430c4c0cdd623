//! A cursor over the elements of one XML document.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::count_value;
use crate::message::DecodeError;

/// Walks a document element by element. Whoever gets an element's start reads it to its end, with [`Pull::child`] until
/// there is none, [`Pull::text`] or [`Pull::skip`].
pub(crate) struct Pull<'x> {
    reader: Reader<&'x [u8]>,
    /// Elements read as children so far.
    values: usize,
}

impl<'x> Pull<'x> {
    pub(crate) fn new(bytes: &'x [u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::new("the XML is not UTF-8"))?;
        let mut reader = Reader::from_str(text);
        // `<a/>` comes as a start and an end.
        reader.config_mut().expand_empty_elements = true;
        Ok(Self { reader, values: 0 })
    }

    /// The root element's start; `None` where there is no element at all.
    pub(crate) fn root(&mut self) -> Result<Option<BytesStart<'x>>, DecodeError> {
        loop {
            match self.event()? {
                Event::Start(start) => return Ok(Some(start)),
                Event::Text(text) if text.trim().is_empty() => {}
                Event::Eof => return Ok(None),
                _ => return Err(DecodeError::new("not XML: text stands before the first element")),
            }
        }
    }

    /// The start of the current element's next child; `None` at its end. Text between children is passed over.
    pub(crate) fn child(&mut self) -> Result<Option<BytesStart<'x>>, DecodeError> {
        loop {
            match self.event()? {
                Event::Start(start) => {
                    count_value(&mut self.values)?;
                    return Ok(Some(start));
                }
                Event::End(_) => return Ok(None),
                Event::Eof => return Err(cut_off()),
                _ => {}
            }
        }
    }

    /// The current element's text up to its end, white space included; children are skipped.
    pub(crate) fn text(&mut self) -> Result<Cow<'x, str>, DecodeError> {
        let mut text = Cow::Borrowed("");
        loop {
            let piece = match self.event()? {
                Event::Text(piece) => piece.xml10_content(),
                Event::CData(piece) => piece.xml10_content(),
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref() {
                        Ok(Some(character)) => character,
                        Ok(None) => match &*reference {
                            "lt" => '<',
                            "gt" => '>',
                            "amp" => '&',
                            "apos" => '\'',
                            "quot" => '"',
                            _ => return Err(DecodeError::new("the XML refers to an entity that is not XML's own")),
                        },
                        Err(_) => return Err(DecodeError::new("the XML has a malformed character reference")),
                    };
                    text.to_mut().push(character);
                    continue;
                }
                Event::Start(_) => {
                    self.skip()?;
                    continue;
                }
                Event::End(_) => return Ok(text),
                Event::Eof => return Err(cut_off()),
                _ => continue,
            };
            if text.is_empty() {
                text = piece;
            } else {
                text.to_mut().push_str(&piece);
            }
        }
    }

    /// Passes over the rest of the current element, however deep it is.
    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        let mut open = 1_usize;
        while open > 0 {
            match self.event()? {
                Event::Start(_) => open += 1,
                Event::End(_) => open -= 1,
                Event::Eof => return Err(cut_off()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes sure that nothing but white space follows the root element.
    pub(crate) fn finish(&mut self) -> Result<(), DecodeError> {
        loop {
            match self.event()? {
                Event::Text(text) if text.trim().is_empty() => {}
                Event::Eof => return Ok(()),
                _ => return Err(DecodeError::new("not XML: something follows the root element")),
            }
        }
    }

    /// The next event that means something.
    fn event(&mut self) -> Result<Event<'x>, DecodeError> {
        loop {
            match self.reader.read_event() {
                Ok(Event::Comment(_) | Event::PI(_) | Event::Decl(_)) => {}
                Ok(Event::DocType(_)) => return Err(DecodeError::new("the XML has a document type declaration")),
                Ok(event) => return Ok(event),
                Err(error) => return Err(DecodeError::new(format!("not well-formed XML: {error}"))),
            }
        }
    }
}

fn cut_off() -> DecodeError {
    DecodeError::new("the XML ends inside an element")
}
