//! Which members are about paging: an answer made up is one page, whole.

use standin_model::{Operation, Str};

use standin_model::words::squash;

/// Whether a member of this name leads to further pages.
pub(super) fn is_token(name: &str) -> bool {
    let name = squash(name);
    if matches!(
        name.as_str(),
        "marker"
            | "paginationtoken"
            | "pagetoken"
            | "continuationtoken"
            | "next"
            | "keymarker"
            | "uploadidmarker"
            | "versionidmarker"
            | "partnumbermarker"
            | "scrollid"
            | "cursor"
    ) || name.starts_with("lastevaluated")
        && !["version", "time", "at", "date"].iter().any(|end| name.ends_with(end))
    {
        return true;
    }
    // `nextLockToken` and `NextPollConfigurationToken` are what the next write or poll needs, not another page.
    name.strip_prefix("next").is_some_and(|rest| {
        !rest.contains("lock")
            && !rest.contains("poll")
            && [
                "token",
                "marker",
                "cursor",
                "offset",
                "key",
                "page",
                "iterator",
                "position",
                "identifier",
                "code",
                "index",
            ]
            .iter()
            .any(|end| rest.ends_with(end))
    }) || matches!(
        name.as_str(),
        "nextdnsname" | "nexthostedzoneid" | "nextrecordname" | "nextrecordtype" | "nextrecordidentifier"
    )
}

/// Whether a boolean of this name says that there is more.
pub(super) fn is_more(name: &str) -> bool {
    let name = squash(name);
    name.contains("truncated")
        || name.starts_with("hasmore")
        || name.starts_with("more")
        || matches!(name.as_str(), "hasnext" | "hasnextpage" | "hasadditionalpages")
}

/// The operation's own tokens, as paths from the output.
pub(super) fn tokens(operation: &Operation) -> impl Iterator<Item = Vec<&'static str>> + '_ {
    let paths = operation.paginator.iter().flat_map(|paginator| &paginator.output_token);
    // Of `NextMarker || Contents[-1].Key` the first; the last item of a list is content, and `HasMore…` ends the paging.
    let paths = paths.filter_map(|expression| expression.split("||").next()).map(str::trim);
    paths.filter(|path| !path.contains('[')).map(|path| path.split('.').collect())
}

/// The input member that bounds a page, by the paginator or by its name.
pub(super) fn limit(operation: &Operation, integers: &[Str]) -> Option<Str> {
    if let Some(limit) = operation.paginator.as_ref().and_then(|paginator| paginator.limit_key) {
        return Some(limit);
    }
    integers.iter().copied().find(|name| {
        matches!(
            squash(name).as_str(),
            "maxresults"
                | "limit"
                | "maxrecords"
                | "maxitems"
                | "pagesize"
                | "maxkeys"
                | "maxnumberofmessages"
                | "maxsize"
                | "maxcount"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_known_by_name() {
        for name in
            ["NextToken", "nextPageToken", "Marker", "NextContinuationToken", "LastEvaluatedKey", "NextShardIterator"]
        {
            assert!(is_token(name), "{name}");
        }
        for name in ["NextMaintenanceTime", "SessionToken", "NextLockToken", "ClientToken", "lastEvaluatedTime"] {
            assert!(!is_token(name), "{name}");
        }
        assert!(is_more("IsTruncated") && is_more("HasMoreStreams") && !is_more("Enabled"));
    }
}
