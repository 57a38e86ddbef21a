//! The nodes that every archive has beside its folders ([MS-PST] 2.7.1): the message store, the empty
//! tables that new ones are copied from, and the furniture of search.

use std::io::{Seek, Write};

use crate::bytes::push_u32;
use crate::context;
use crate::error::Error;
use crate::ids::{self, FolderId};
use crate::ndb::Ndb;
use crate::schema;
use crate::subnodes::Subnodes;
use crate::table::Table;
use crate::value::{Properties, Value};

/// The blocks of empty tables, which folders without rows share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Templates {
    pub(crate) hierarchy: u64,
    pub(crate) contents: u64,
    pub(crate) associated: u64,
    search_contents: u64,
}

/// Writes the empty tables.
pub(crate) fn write_templates<W: Write + Seek>(ndb: &mut Ndb<W>) -> Result<Templates, Error> {
    let mut write = |nid, columns| {
        let (data, _) = Table::new(ndb, columns).finish(ndb)?;
        ndb.add_node(nid, data, 0, 0);
        Ok::<u64, Error>(data)
    };
    let templates = Templates {
        hierarchy: write(ids::HIERARCHY_TEMPLATE, schema::HIERARCHY)?,
        contents: write(ids::CONTENTS_TEMPLATE, schema::CONTENTS)?,
        associated: write(ids::ASSOCIATED_TEMPLATE, schema::ASSOCIATED)?,
        search_contents: write(ids::SEARCH_CONTENTS_TEMPLATE, schema::SEARCH_CONTENTS)?,
    };
    write(ids::ATTACHMENT_TABLE, schema::ATTACHMENTS)?;
    write(ids::RECIPIENT_TABLE, schema::RECIPIENTS)?;
    Ok(templates)
}

/// Writes the message store's own properties.
pub(crate) fn write_store<W: Write + Seek>(
    ndb: &mut Ndb<W>,
    name: &str,
    record_key: [u8; 16],
) -> Result<(), Error> {
    let mut store = Properties::new();
    store.set(0x0FF9, Value::Binary(record_key.to_vec()));
    store.set_str(0x3001, name);
    store.set(0x35DF, Value::I32(0xC9)); // which of the entry ids below are there
    store.set(0x35E0, Value::Binary(entry_id(record_key, ids::TOP_FOLDER)));
    store.set(0x35E3, Value::Binary(entry_id(record_key, ids::DELETED_ITEMS)));
    store.set(0x35E6, Value::Binary(entry_id(record_key, ids::COMMON_VIEWS)));
    store.set(0x35E7, Value::Binary(entry_id(record_key, ids::SEARCH_ROOT)));
    store.set(0x6633, Value::Bool(true));
    store.set(0x67FF, Value::I32(0)); // no password
    write_context(ndb, ids::MESSAGE_STORE, &store, 0)
}

/// Writes the queues and lists of search, and its built-in folder for spam.
pub(crate) fn write_search<W: Write + Seek>(ndb: &mut Ndb<W>, templates: &Templates) -> Result<(), Error> {
    ndb.add_node(ids::SEARCH_MANAGEMENT_QUEUE, 0, 0, 0);
    let active = ndb.write_block(&ids::SPAM_SEARCH_FOLDER.to_le_bytes())?;
    ndb.add_node(ids::SEARCH_ACTIVITY_LIST, active, 0, 0);
    ndb.add_node(ids::SEARCH_DOMAIN_OBJECT, 0, 0, 0);
    let mut folder = Properties::new();
    folder.set_str(0x3001, SPAM_SEARCH_NAME);
    folder.set(0x3602, Value::I32(0)).set(0x3603, Value::I32(0)).set(0x360A, Value::Bool(false));
    write_context(ndb, ids::SPAM_SEARCH_FOLDER, &folder, ids::ROOT_FOLDER)?;
    ndb.add_node(ids::SPAM_SEARCH_QUEUE, 0, 0, 0);
    let mut criteria = Properties::new();
    criteria.set(0x660B, Value::I32(0));
    write_context(ndb, ids::SPAM_SEARCH_CRITERIA, &criteria, 0)?;
    add_empty_table(ndb, ids::SPAM_SEARCH_CONTENTS, templates.search_contents, schema::SEARCH_CONTENTS)
}

/// Adds a table without rows, which is `template` as long as that can be shared.
pub(crate) fn add_empty_table<W: Write + Seek>(
    ndb: &mut Ndb<W>,
    nid: u32,
    template: u64,
    columns: &[u32],
) -> Result<(), Error> {
    if !ndb.add_node_sharing(nid, template, 0) {
        let (data, _) = Table::new(ndb, columns).finish(ndb)?;
        ndb.add_node(nid, data, 0, 0);
    }
    Ok(())
}

/// What the spam search folder is called.
pub(crate) const SPAM_SEARCH_NAME: &str = "SPAM Search Folder 2";

/// The folder that stands for the whole archive.
pub(crate) const ROOT: FolderId = FolderId(ids::ROOT_FOLDER);

/// Writes a property context as a node.
pub(crate) fn write_context<W: Write + Seek>(
    ndb: &mut Ndb<W>,
    nid: u32,
    properties: &Properties,
    parent: u32,
) -> Result<(), Error> {
    let mut subnodes = Subnodes::default();
    let data = context::write(ndb, properties, None, &mut subnodes)?;
    let below = subnodes.finish(ndb)?;
    ndb.add_node(nid, data, below, parent);
    Ok(())
}

/// The entry id of a folder: no flags, the archive, the node ([MS-PST] 2.4.3.2).
fn entry_id(record_key: [u8; 16], nid: u32) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend_from_slice(&record_key);
    push_u32(&mut out, nid);
    out
}
