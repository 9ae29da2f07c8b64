//! Limits of documents.

/// Maximum size of a document: 4 MiB.
pub const MAX_DOCUMENT_BYTES: usize = 4 * 1024 * 1024;
/// Maximum number of files.
pub const MAX_FILES: usize = 1100;
/// Maximum number of references that a document is for.
pub const MAX_REFERENCES: usize = 32;
/// Maximum number of labels that a node must have.
pub const MAX_LABELS: usize = 16;
