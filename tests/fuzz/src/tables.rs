//! What the tables keep beside rows: progress records and index keys.

use rollcall_tables::{Meta, keys};

/// What decodes is written again byte for byte.
pub fn tables_meta(data: &[u8]) {
    if let Ok(meta) = Meta::decode(data) {
        assert_eq!(meta.encode(), data);
    }
    if let Some(due) = keys::parse_due(data) {
        assert_eq!(keys::due(due.due_at, due.table, &due.key), data);
    }
}
