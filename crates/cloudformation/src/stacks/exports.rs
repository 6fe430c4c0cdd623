//! What stacks export, and who imports it.

use indexmap::IndexMap;
use standin_model::Document;
use standin_store::{Batch, IndexEntry, StoreError};

use super::deploy::Failed;
use super::record::{self, StackOutput};
use super::run::Run;

/// Exports that are looked at in one go.
const PAGE: usize = 500;

/// Checks the exports of a stack against those of others, and puts them into a batch.
pub(super) async fn export(run: &Run<'_>, batch: &mut Batch) -> Result<(), Failed> {
    let table = record::exports(&run.space());
    let wanted: IndexMap<&str, &StackOutput> =
        run.stack.outputs.iter().filter_map(|output| Some((output.export.as_deref()?, output))).collect();
    let text = |row: &standin_store::Row, name: &str| {
        row.body.get(name).and_then(Document::as_str).unwrap_or_default().to_owned()
    };
    let mut after: Option<String> = None;
    loop {
        let rows = run.stacks.store.find(&table, "stack", &run.stack.id, after.as_deref(), PAGE).await?;
        for row in &rows {
            let still = wanted.get(&*row.key);
            if still.is_some_and(|output| output.value == text(row, "value")) {
                continue;
            }
            if let Some(user) = importer(run, &row.key).await? {
                let verb = if still.is_some() { "updated" } else { "deleted" };
                return Err(Failed::Stack(format!("Export {} cannot be {verb} as it is in use by {user}", row.key)));
            }
            if still.is_none() {
                batch.check(&table, row.key.clone(), Some(row.version)).delete(&table, row.key.clone());
            }
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE => after = Some(last.key.to_string()),
            _ => break,
        }
    }
    for (name, output) in wanted {
        let known = run.stacks.store.get(&table, name).await?;
        if let Some(other) = known.as_ref().map(|row| text(row, "stack")).filter(|stack| *stack != run.stack.id) {
            let other = other.split('/').nth(1).unwrap_or_default();
            return Err(Failed::Stack(format!("Export with name {name} is already exported by stack {other}")));
        }
        let mut body = standin_model::Fields::new();
        body.push("value", output.value.clone());
        body.push("stack", run.stack.id.clone());
        batch.check(&table, name, known.map(|row| row.version));
        batch.put(&table, name, Document::Map(body), vec![IndexEntry::new("stack", run.stack.id.as_str())]);
    }
    Ok(())
}

/// Another stack that imports an export.
pub(super) async fn importer(run: &Run<'_>, export: &str) -> Result<Option<String>, StoreError> {
    let table = record::stacks(&run.space());
    for row in run.stacks.store.find(&table, "import", export, None, 2).await? {
        let stack: record::Stack = record::read(&table, &row)?;
        if stack.uuid != run.stack.uuid {
            return Ok(Some(stack.name));
        }
    }
    Ok(None)
}
