//! Node ids: five bits of type below a 27-bit index ([MS-PST] 2.2.2.1), and those with a fixed meaning (2.4.1).

/// A folder of the archive that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderId(pub(crate) u32);

impl FolderId {
    /// The node id of the folder's property context.
    pub fn nid(self) -> u32 {
        self.0
    }
}

pub(crate) const TYPE_FOLDER: u32 = 0x02;
pub(crate) const TYPE_SEARCH_FOLDER: u32 = 0x03;
pub(crate) const TYPE_MESSAGE: u32 = 0x04;
pub(crate) const TYPE_ATTACHMENT: u32 = 0x05;
pub(crate) const TYPE_ASSOCIATED_MESSAGE: u32 = 0x08;
pub(crate) const TYPE_HIERARCHY_TABLE: u32 = 0x0D;
pub(crate) const TYPE_CONTENTS_TABLE: u32 = 0x0E;
pub(crate) const TYPE_ASSOCIATED_TABLE: u32 = 0x0F;
pub(crate) const TYPE_LTP: u32 = 0x1F;

/// Bits of the type.
pub(crate) const TYPE_BITS: u32 = 5;
/// The highest index a node id can have.
pub(crate) const MAX_INDEX: u32 = (1 << (32 - TYPE_BITS)) - 1;

pub(crate) const MESSAGE_STORE: u32 = 0x21;
pub(crate) const NAME_TO_ID_MAP: u32 = 0x61;
pub(crate) const ROOT_FOLDER: u32 = 0x122;
pub(crate) const SEARCH_MANAGEMENT_QUEUE: u32 = 0x1E1;
pub(crate) const SEARCH_ACTIVITY_LIST: u32 = 0x201;
pub(crate) const SEARCH_DOMAIN_OBJECT: u32 = 0x261;
pub(crate) const HIERARCHY_TEMPLATE: u32 = 0x60D;
pub(crate) const CONTENTS_TEMPLATE: u32 = 0x60E;
pub(crate) const ASSOCIATED_TEMPLATE: u32 = 0x60F;
pub(crate) const SEARCH_CONTENTS_TEMPLATE: u32 = 0x610;
/// Template at the top level; the table itself among a message's subnodes.
pub(crate) const ATTACHMENT_TABLE: u32 = 0x671;
/// Template at the top level; the table itself among a message's subnodes.
pub(crate) const RECIPIENT_TABLE: u32 = 0x692;
/// The built-in search folder for spam, with its update queue, criteria and contents table.
pub(crate) const SPAM_SEARCH_FOLDER: u32 = 0x2223;
pub(crate) const SPAM_SEARCH_QUEUE: u32 = 0x2226;
pub(crate) const SPAM_SEARCH_CRITERIA: u32 = 0x2227;
pub(crate) const SPAM_SEARCH_CONTENTS: u32 = 0x2230;

pub(crate) const TOP_FOLDER: u32 = 0x8022;
pub(crate) const SEARCH_ROOT: u32 = 0x8042;
pub(crate) const DELETED_ITEMS: u32 = 0x8062;
pub(crate) const COMMON_VIEWS: u32 = 0x8082;

/// The node id of `index` with type `kind`.
pub(crate) fn nid(kind: u32, index: u32) -> u32 {
    (index << TYPE_BITS) | kind
}

/// The node id that shares `of`'s index but has type `kind`: how a folder's tables are found.
pub(crate) fn sibling(of: u32, kind: u32) -> u32 {
    nid(kind, of >> TYPE_BITS)
}
