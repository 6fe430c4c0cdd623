//! All pages of a list operation, as one answer.

use std::future::Future;

use standin_model::{Document, Fields, Paginator};

/// Calls as long as answers bring a token, and puts the results of all pages into the first answer. Tokens are taken out.
///
/// # Errors
/// The call's own; and `repeated` when a token comes a second time in a row, which would never end.
pub async fn all_pages<C, F, E>(
    paginator: &Paginator,
    mut input: Document,
    mut call: C,
    repeated: impl FnOnce() -> E,
) -> Result<Document, E>
where
    C: FnMut(Document) -> F,
    F: Future<Output = Result<Document, E>>,
{
    let mut whole: Option<Document> = None;
    let mut last = Vec::new();
    loop {
        let page = call(input.clone()).await?;
        let tokens = next_tokens(paginator, &page);
        match &mut whole {
            None => whole = Some(page),
            Some(whole) => {
                for key in &paginator.result_key {
                    append(whole, key, &page);
                }
            }
        }
        if tokens.is_empty() {
            break;
        }
        if tokens == last {
            return Err(repeated());
        }
        for (name, token) in paginator.input_token.iter().zip(&tokens) {
            set(&mut input, name, token.clone());
        }
        last = tokens;
    }
    let mut whole = whole.unwrap_or_default();
    for token in &paginator.output_token {
        remove(&mut whole, token);
    }
    Ok(whole)
}

/// The tokens of the next page; none after the last.
fn next_tokens(paginator: &Paginator, page: &Document) -> Vec<Document> {
    let is_empty = |token: &Document| token.is_null() || token.as_str().is_some_and(str::is_empty);
    if let Some(more) = paginator.more_results
        && !evaluate(more, page).as_ref().and_then(Document::as_bool).unwrap_or(false)
    {
        return Vec::new();
    }
    let tokens: Vec<Document> =
        paginator.output_token.iter().map(|token| evaluate(token, page).unwrap_or_default()).collect();
    if tokens.iter().all(is_empty) { Vec::new() } else { tokens }
}

/// Evaluates the `JMESPath` that paginators use: names with dots, an index in brackets, `||` between alternatives.
fn evaluate(expression: &str, document: &Document) -> Option<Document> {
    expression.split("||").find_map(|path| {
        let mut at = document;
        for step in path.trim().split('.') {
            let (name, index) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
                Some((name, index)) => (name, Some(index.parse::<i64>().ok()?)),
                None => (step, None),
            };
            at = at.get(name)?;
            if let Some(index) = index {
                let items = at.as_list()?;
                let from_start = if index < 0 { i64::try_from(items.len()).ok()? + index } else { index };
                at = items.get(usize::try_from(from_start).ok()?)?;
            }
        }
        Some(at).filter(|found| !found.is_null()).cloned()
    })
}

/// The member at a path of names, of a structure.
fn find_mut<'d>(document: &'d mut Document, path: &str) -> Option<&'d mut Document> {
    path.split('.').try_fold(document, |at, name| at.as_map_mut()?.get_mut(name))
}

fn append(whole: &mut Document, key: &str, page: &Document) {
    let Some(more) = evaluate(key, page) else { return };
    match (find_mut(whole, key), more) {
        (Some(Document::List(items)), Document::List(more)) => items.extend(more),
        (Some(Document::Map(entries)), Document::Map(more)) => {
            for (name, value) in more {
                entries.insert(name, value);
            }
        }
        (Some(Document::Int(sum)), Document::Int(more)) => *sum = sum.saturating_add(more),
        (Some(_), _) => {}
        (None, more) => set(whole, key, more),
    }
}

fn set(document: &mut Document, path: &str, value: Document) {
    if !matches!(document, Document::Map(_)) {
        *document = Document::Map(Fields::new());
    }
    let Some(fields) = document.as_map_mut() else { return };
    match path.split_once('.') {
        None => {
            fields.insert(path.to_owned(), value);
        }
        Some((name, rest)) => {
            if !fields.contains_key(name) {
                fields.push(name.to_owned(), Fields::new());
            }
            if let Some(member) = fields.get_mut(name) {
                set(member, rest, value);
            }
        }
    }
}

/// Takes a token out; expressions that are no plain path name no token of their own.
fn remove(document: &mut Document, path: &str) {
    let path = path.split("||").next().unwrap_or(path).trim();
    let (parent, name) = path.rsplit_once('.').map_or((Some(&mut *document), path), |_| (None, path));
    match parent {
        Some(parent) => {
            if let Some(fields) = parent.as_map_mut() {
                fields.remove(name);
            }
        }
        None => {
            let Some((parent, name)) = path.rsplit_once('.') else { return };
            if let Some(fields) = find_mut(document, parent).and_then(Document::as_map_mut) {
                fields.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::{Value, json};

    use super::*;

    fn paginator(
        input: &'static str,
        output: &'static str,
        more: Option<&'static str>,
        keys: &[&'static str],
    ) -> Paginator {
        Paginator {
            input_token: Box::new([input]),
            output_token: Box::new([output]),
            limit_key: None,
            more_results: more,
            result_key: keys.into(),
        }
    }

    /// Answers each call with the next page; gives the inputs seen and the whole.
    fn check(paginator: &Paginator, pages: &[Value]) -> Result<(Vec<Value>, Value), String> {
        let inputs = RefCell::new(Vec::new());
        let mut pages = pages.iter();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let whole = runtime.block_on(all_pages(
            paginator,
            Document::map(),
            |input| {
                inputs.borrow_mut().push(input.to_json());
                let page = pages.next().map(Document::from_json).ok_or("asked for one page too many".to_owned());
                std::future::ready(page)
            },
            || "repeated".to_owned(),
        ))?;
        Ok((inputs.into_inner(), whole.to_json()))
    }

    #[test]
    fn follows_tokens_and_merges_results() {
        let pages = [
            json!({"Items": [1], "Count": 1, "Next": "a", "Kept": true}),
            json!({"Items": [2, 3], "Count": 2, "Next": "b"}),
            json!({"Items": [], "Count": 0, "Next": ""}),
        ];
        let (inputs, whole) = check(&paginator("Token", "Next", None, &["Items", "Count"]), &pages).expect("pages");
        assert_eq!(inputs, [json!({}), json!({"Token": "a"}), json!({"Token": "b"})]);
        assert_eq!(whole, json!({"Items": [1, 2, 3], "Count": 3, "Kept": true}));
    }

    #[test]
    fn nested_results_and_fallback_tokens() {
        let pages = [
            json!({"R": {"Contents": [{"Key": "x"}, {"Key": "y"}], "More": true}}),
            json!({"R": {"Contents": [{"Key": "z"}], "More": false}}),
        ];
        let paginator = paginator("F.Marker", "R.NextMarker || R.Contents[-1].Key", Some("R.More"), &["R.Contents"]);
        let (inputs, whole) = check(&paginator, &pages).expect("pages");
        assert_eq!(inputs[1], json!({"F": {"Marker": "y"}}));
        assert_eq!(whole["R"]["Contents"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn a_token_that_repeats_ends_in_an_error() {
        let page = json!({"Items": [], "Next": "a"});
        let result = check(&paginator("Token", "Next", None, &["Items"]), &[page.clone(), page]);
        assert_eq!(result, Err("repeated".to_owned()));
    }
}
