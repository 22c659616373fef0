//! The records in a folder.

use std::path::{Path, PathBuf};

/// The folder itself, or the records in it.
pub fn folders(record: &Path) -> Vec<PathBuf> {
    let folder = if record.ends_with("events.jsonl") { record.parent().unwrap_or(record) } else { record };
    let is_record = |folder: &Path| folder.join("events.jsonl").exists();
    let mut inside: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) if !is_record(folder) => entries.flatten().map(|e| e.path()).filter(|p| is_record(p)).collect(),
        _ => Vec::new(),
    };
    inside.sort();
    // None: its events.jsonl is missing, and reading it says so.
    if inside.is_empty() { vec![folder.to_owned()] } else { inside }
}
