//! The columns that each table must have ([MS-PST] 2.4.4.4 to 2.4.6.2), as property tags: the id in the
//! upper half, the type in the lower.

/// The node id of the row; the first column of every table.
pub(crate) const ROW_ID: u32 = 0x67F2_0003;
/// A number that changes with the row; the second column of every table.
pub(crate) const ROW_VERSION: u32 = 0x67F3_0003;

/// A folder's subfolders.
#[rustfmt::skip]
pub(crate) const HIERARCHY: &[u32] = &[
    0x0E30_0102, 0x0E33_0014, 0x0E34_0102, 0x0E38_0003, 0x3001_001F, 0x3602_0003, 0x3603_0003, 0x360A_000B,
    0x3613_001F, 0x6635_0003, 0x6636_0003, ROW_ID, ROW_VERSION,
];

/// A folder's messages.
#[rustfmt::skip]
pub(crate) const CONTENTS: &[u32] = &[
    0x0017_0003, 0x001A_001F, 0x0036_0003, 0x0037_001F, 0x0039_0040, 0x0042_001F, 0x0057_000B, 0x0058_000B,
    0x0070_001F, 0x0071_0102, 0x0E03_001F, 0x0E04_001F, 0x0E06_0040, 0x0E07_0003, 0x0E08_0003, 0x0E17_0003,
    0x0E30_0102, 0x0E33_0014, 0x0E34_0102, 0x0E38_0003, 0x0E3C_0102, 0x0E3D_0102, 0x1097_0003, 0x3008_0040,
    0x3013_0102, 0x65C6_0003, ROW_ID, ROW_VERSION,
];

/// A folder's associated (hidden) items.
#[rustfmt::skip]
pub(crate) const ASSOCIATED: &[u32] = &[
    0x001A_001F, 0x0E07_0003, 0x0E17_0003, 0x3001_001F, ROW_ID, ROW_VERSION, 0x6800_001F, 0x6803_000B,
    0x6805_1003, 0x682F_001F, 0x7003_0003, 0x7004_0102, 0x7005_0102, 0x7006_001F, 0x7007_0003,
];

/// What a search folder has found.
#[rustfmt::skip]
pub(crate) const SEARCH_CONTENTS: &[u32] = &[
    0x0017_0003, 0x001A_001F, 0x0036_0003, 0x0037_001F, 0x0042_001F, 0x0057_000B, 0x0058_000B, 0x0E03_001F,
    0x0E04_001F, 0x0E05_001F, 0x0E06_0040, 0x0E07_0003, 0x0E08_0003, 0x0E17_0003, 0x0E2A_000B, 0x3008_0040,
    0x67F1_0003, ROW_ID, ROW_VERSION,
];

/// A message's attachments.
#[rustfmt::skip]
pub(crate) const ATTACHMENTS: &[u32] = &[
    0x0E20_0003, 0x3704_001F, 0x3705_0003, 0x3707_001F, 0x370B_0003, ROW_ID, ROW_VERSION,
];

/// A message's recipients.
#[rustfmt::skip]
pub(crate) const RECIPIENTS: &[u32] = &[
    0x0C15_0003, 0x0E0F_000B, 0x0FF9_0102, 0x0FFE_0003, 0x0FFF_0102, 0x3001_001F, 0x3002_001F, 0x3003_001F,
    0x300B_0102, 0x3900_0003, 0x39FE_001F, 0x39FF_001F, 0x3A40_000B, ROW_ID, ROW_VERSION,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_sorted_and_begin_rows_with_their_id() {
        for table in [HIERARCHY, CONTENTS, ASSOCIATED, SEARCH_CONTENTS, ATTACHMENTS, RECIPIENTS] {
            assert!(table.is_sorted());
            assert!(table.contains(&ROW_ID) && table.contains(&ROW_VERSION));
        }
    }
}
