//! The writer that callers hold: folders, messages, and the end.

use std::collections::BTreeMap;
use std::io::{Seek, Write};

use crate::compose::write_message;
use crate::error::Error;
use crate::format::Format;
use crate::ids::{self, FolderId};
use crate::message::Message;
use crate::names::{NameKey, Names, PS_PUBLIC_STRINGS, PSETID_COMMON};
use crate::ndb::{Encoding, Ndb};
use crate::schema;
use crate::store::{self, ROOT, SPAM_SEARCH_NAME, Templates};
use crate::table::Table;
use crate::value::{FileTime, Properties, Value};

/// What an archive is and how it is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tells this archive from every other; the same in all its versions.
    pub record_key: [u8; 16],
    /// The archive's name as Outlook shows it.
    pub name: String,
    /// How it is laid out.
    pub format: Format,
    /// How data is encoded.
    pub encoding: Encoding,
    /// When items without any time were made.
    pub created: FileTime,
}

impl Options {
    /// An archive known by `record_key`, called "Outlook data file", with permuted data.
    pub fn new(record_key: [u8; 16]) -> Self {
        Self {
            record_key,
            name: "Outlook data file".into(),
            format: Format::Unicode,
            encoding: Encoding::Permute,
            created: FileTime::from_unix(0),
        }
    }
}

/// A message that has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Its node id.
    pub nid: u32,
    /// Its size as it tells itself, in bytes: about that of its values, attachments included.
    pub size: u64,
}

#[derive(Debug)]
struct Folder {
    parent: u32,
    name: String,
    class: Option<String>,
    children: Vec<u32>,
    items: u32,
    unread: u32,
    contents: Option<Table>,
}

/// Writes an archive into a sink that is empty at the start, such as a new file.
#[derive(Debug)]
pub struct PstWriter<W> {
    ndb: Ndb<W>,
    options: Options,
    templates: Templates,
    names: Names,
    folders: BTreeMap<u32, Folder>,
    by_name: BTreeMap<(u32, String), u32>,
    poisoned: bool,
}

impl<W: Write + Seek> PstWriter<W> {
    /// Starts an archive with the folders that each has: the root, the top folder ("Top of Outlook data
    /// file"), the search root, the common views and the deleted items.
    pub fn new(sink: W, options: Options) -> Result<Self, Error> {
        let mut ndb = Ndb::new(sink, options.format, options.encoding)?;
        let templates = store::write_templates(&mut ndb)?;
        store::write_store(&mut ndb, &options.name, options.record_key)?;
        store::write_search(&mut ndb, &templates)?;
        let mut names = Names::default();
        // Not all readers are ready for a map without sets, numbers or names; nearly every archive has these.
        names.id(PS_PUBLIC_STRINGS, NameKey::Name("Keywords".into()))?;
        names.id(PSETID_COMMON, NameKey::Number(0x8503))?;
        let mut writer = Self {
            ndb,
            options,
            templates,
            names,
            folders: BTreeMap::new(),
            by_name: BTreeMap::new(),
            poisoned: false,
        };
        writer.insert_folder(ids::ROOT_FOLDER, ids::ROOT_FOLDER, "", None);
        writer.insert_folder(ids::TOP_FOLDER, ids::ROOT_FOLDER, "Top of Outlook data file", None);
        writer.insert_folder(ids::SEARCH_ROOT, ids::ROOT_FOLDER, "Search Root", None);
        writer.insert_folder(ids::COMMON_VIEWS, ids::ROOT_FOLDER, "IPM_COMMON_VIEWS", None);
        writer.insert_folder(ids::DELETED_ITEMS, ids::TOP_FOLDER, "Deleted Items", None);
        Ok(writer)
    }

    /// The folder that users see as the top of the archive.
    pub fn top(&self) -> FolderId {
        FolderId(ids::TOP_FOLDER)
    }

    /// The folder that stands for the whole archive and holds the top folder; users do not see it.
    pub fn root(&self) -> FolderId {
        ROOT
    }

    /// The folder of deleted items.
    pub fn deleted_items(&self) -> FolderId {
        FolderId(ids::DELETED_ITEMS)
    }

    /// The folder called `name` in `parent`; made when there is none. `class` is its container class, such as
    /// `IPF.Note`, and counts only when it is made.
    pub fn add_folder(
        &mut self,
        parent: FolderId,
        name: &str,
        class: Option<&str>,
    ) -> Result<FolderId, Error> {
        self.check()?;
        if name.is_empty() || name.contains('\0') {
            return Err(Error::FolderName(name.into()));
        }
        if !self.folders.contains_key(&parent.0) {
            return Err(Error::UnknownFolder(parent.0));
        }
        if let Some(nid) = self.by_name.get(&(parent.0, name.to_owned())) {
            return Ok(FolderId(*nid));
        }
        let nid = self.ndb.new_nid(ids::TYPE_FOLDER)?;
        self.insert_folder(nid, parent.0, name, class);
        Ok(FolderId(nid))
    }

    /// The mail folder at `path` below the top folder, such as `Inbox/Projects`; what is missing is made.
    pub fn add_folder_path(&mut self, path: &str) -> Result<FolderId, Error> {
        let mut folder = self.top();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            folder = self.add_folder(folder, name, Some("IPF.Note"))?;
        }
        Ok(folder)
    }

    /// The property id of a named property, to be used in [`Properties`] of this archive.
    pub fn named_property(&mut self, set: [u8; 16], key: NameKey) -> Result<u16, Error> {
        self.names.id(set, key)
    }

    /// Writes `message` into `folder`.
    pub fn add_message(&mut self, folder: FolderId, message: Message) -> Result<Written, Error> {
        self.add(folder, message, true)
    }

    /// Writes `message` so that its node names `folder`, whose table does not show it: an orphan, as a program leaves
    /// it that was cut off between the two.
    pub fn add_orphan(&mut self, folder: FolderId, message: Message) -> Result<Written, Error> {
        self.add(folder, message, false)
    }

    fn add(&mut self, folder: FolderId, message: Message, shown: bool) -> Result<Written, Error> {
        self.check()?;
        let Some(place) = self.folders.get_mut(&folder.0) else {
            return Err(Error::UnknownFolder(folder.0));
        };
        // Until the end of this call the archive is half-way through a message.
        self.poisoned = true;
        let unread = !message.read;
        let composed = write_message(&mut self.ndb, message, self.options.created, 0)?;
        let nid = self.ndb.new_nid(ids::TYPE_MESSAGE)?;
        self.ndb.add_node(nid, composed.data, composed.subnodes, folder.0);
        if shown {
            let ndb = &mut self.ndb;
            place.contents.get_or_insert_with(|| Table::new(ndb, schema::CONTENTS)).add_row(
                ndb,
                nid,
                &composed.properties,
            )?;
            place.items += 1;
            place.unread += u32::from(unread);
        }
        self.poisoned = false;
        Ok(Written { nid, size: composed.size })
    }

    /// Writes the folders and the head of the file. Gives back the sink, flushed, and the file's length in
    /// bytes. Without this call the sink holds no archive.
    pub fn finish(mut self) -> Result<(W, u64), Error> {
        self.check()?;
        store::write_context(&mut self.ndb, ids::NAME_TO_ID_MAP, &self.names.to_properties(), 0)?;
        let tables: Vec<(u32, Option<Table>)> =
            self.folders.iter_mut().map(|(nid, folder)| (*nid, folder.contents.take())).collect();
        for (nid, contents) in tables {
            self.write_folder(nid, contents)?;
        }
        self.ndb.finish()
    }

    fn check(&self) -> Result<(), Error> {
        if self.poisoned { Err(Error::Poisoned) } else { Ok(()) }
    }

    fn insert_folder(&mut self, nid: u32, parent: u32, name: &str, class: Option<&str>) {
        self.ndb.claim_nid(nid);
        for table in [ids::TYPE_HIERARCHY_TABLE, ids::TYPE_CONTENTS_TABLE, ids::TYPE_ASSOCIATED_TABLE] {
            self.ndb.claim_nid(ids::sibling(nid, table));
        }
        let folder = Folder {
            parent,
            name: name.into(),
            class: class.map(Into::into),
            children: Vec::new(),
            items: 0,
            unread: 0,
            contents: None,
        };
        self.folders.insert(nid, folder);
        if nid != parent {
            self.by_name.insert((parent, name.into()), nid);
            if let Some(parent) = self.folders.get_mut(&parent) {
                parent.children.push(nid);
            }
        }
    }

    /// Writes a folder's four nodes: its properties and the tables of folders, messages and hidden items.
    fn write_folder(&mut self, nid: u32, contents: Option<Table>) -> Result<(), Error> {
        let Some(folder) = self.folders.get(&nid) else { return Err(Error::UnknownFolder(nid)) };
        store::write_context(&mut self.ndb, nid, &folder.properties(), folder.parent)?;

        let hierarchy = ids::sibling(nid, ids::TYPE_HIERARCHY_TABLE);
        if folder.children.is_empty() {
            store::add_empty_table(&mut self.ndb, hierarchy, self.templates.hierarchy, schema::HIERARCHY)?;
        } else {
            let mut table = Table::new(&mut self.ndb, schema::HIERARCHY);
            if nid == ids::ROOT_FOLDER {
                let mut spam = Properties::new();
                spam.set_str(0x3001, SPAM_SEARCH_NAME);
                spam.set(0x3602, Value::I32(0)).set(0x3603, Value::I32(0)).set(0x360A, Value::Bool(false));
                table.add_row(&mut self.ndb, ids::SPAM_SEARCH_FOLDER, &spam)?;
            }
            for child in &folder.children {
                if let Some(folder) = self.folders.get(child) {
                    table.add_row(&mut self.ndb, *child, &folder.properties())?;
                }
            }
            let (data, subnodes) = table.finish(&mut self.ndb)?;
            self.ndb.add_node(hierarchy, data, subnodes, 0);
        }

        let contents_nid = ids::sibling(nid, ids::TYPE_CONTENTS_TABLE);
        match contents {
            Some(table) => {
                let (data, subnodes) = table.finish(&mut self.ndb)?;
                self.ndb.add_node(contents_nid, data, subnodes, 0);
            }
            None => store::add_empty_table(
                &mut self.ndb,
                contents_nid,
                self.templates.contents,
                schema::CONTENTS,
            )?,
        }
        let associated = ids::sibling(nid, ids::TYPE_ASSOCIATED_TABLE);
        store::add_empty_table(&mut self.ndb, associated, self.templates.associated, schema::ASSOCIATED)
    }
}

impl Folder {
    fn properties(&self) -> Properties {
        let mut out = Properties::new();
        out.set_str(0x3001, self.name.as_str());
        out.set(0x3602, Value::I32(i32::try_from(self.items).unwrap_or(i32::MAX)));
        out.set(0x3603, Value::I32(i32::try_from(self.unread).unwrap_or(i32::MAX)));
        out.set(0x360A, Value::Bool(!self.children.is_empty()));
        if let Some(class) = &self.class {
            out.set_str(0x3613, class.as_str());
        }
        out
    }
}
