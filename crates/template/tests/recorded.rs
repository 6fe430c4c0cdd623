//! Templates of ours with what Mockoon 9.9 makes of them (`recorded.jsonl`), at the same time and with the same seed.

mod common;

use common::render;

#[test]
fn templates_give_what_mockoon_gives() {
    let mut seen = 0;
    for line in include_str!("recorded.jsonl").lines() {
        let (text, expect): (String, String) = serde_json::from_str(line).expect("a pair of texts");
        let given = render(&text).unwrap_or_else(|message| format!("ERR {message}"));
        assert_eq!(given, expect, "{text}");
        seen += 1;
    }
    assert!(seen > 250, "{seen}");
}
