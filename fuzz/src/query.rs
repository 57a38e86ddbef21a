//! The query language: parsing, printing, dates and the filter made of a query; cursors and names of time zones.

use postlode_query::cursor::Cursor;
use postlode_query::dates::{beginning_of, utc, zone};
use postlode_query::filter::resolve;
use postlode_query::lang::{MAX_BYTES, from_json, parse, print, to_json};

/// Takes the bytes as a query, as a cursor, as a time zone and as a day.
pub fn target(data: &[u8]) {
    let data = data.get(..data.len().min(crate::MAX_INPUT)).unwrap_or_default();
    let text = String::from_utf8_lossy(data);
    drop(Cursor::decode(&text, 0));
    let utc_zone = zone(None);
    assert!(utc_zone.is_ok(), "UTC is always there");
    let named = zone(text.split_whitespace().next());
    let zones: Vec<_> = [utc_zone, named].into_iter().flatten().collect();
    for zone in &zones {
        drop(beginning_of(&text, zone).and_then(utc));
    }
    let places = 1..=text.chars().count().saturating_add(1);
    let tree = match parse(&text) {
        Ok(tree) => tree,
        Err(error) => return assert!(places.contains(&error.position), "{error}"),
    };
    let printed = print(&tree);
    match parse(&printed) {
        Ok(again) => assert_eq!(again, tree, "printed as {printed:?}"),
        // A field stands on every word of its group, and alternatives in a sequence in brackets of their own: what
        // is near a limit may be past it once it is printed.
        Err(error) => assert!(
            printed.len() > MAX_BYTES || error.message.contains("nested too deeply"),
            "printed as {printed:?}: {error}"
        ),
    }
    assert_eq!(from_json(&to_json(&tree)).as_ref(), Ok(&tree), "as JSON");
    for zone in &zones {
        if let Err(error) = resolve(&tree, zone) {
            assert!(places.contains(&error.position), "{error}");
        }
    }
}
