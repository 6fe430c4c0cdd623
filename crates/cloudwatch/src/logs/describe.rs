//! DescribeLogStreams.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use standin_core::{OperationError, Place};
use standin_store::{Range, Row, Scan};

use super::stream::{self, Stream};
use super::{Logs, invalid, streams};
use crate::types::logs::{DescribeLogStreamsRequest, DescribeLogStreamsResponse, LogStream, OrderBy};

/// Streams of one answer, where the caller does not say how many.
const LISTED: i64 = 50;

impl Logs {
    pub(super) async fn describe(
        &self,
        place: &Place,
        input: &DescribeLogStreamsRequest,
    ) -> Result<DescribeLogStreamsResponse, OperationError> {
        let group = self.group(place, input.log_group_name.as_deref(), input.log_group_identifier.as_deref()).await?;
        let by_time = input.order_by == Some(OrderBy::LastEventTime);
        if by_time && input.log_stream_name_prefix.is_some() {
            return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
        }
        let descending = input.descending == Some(true);
        let limit = usize::try_from(input.limit.unwrap_or(LISTED)).unwrap_or_default();
        let after = match input.next_token.as_deref() {
            Some(token) => {
                let key = read_token(token).filter(|key| key.starts_with(&stream::key(&group.name, "")));
                Some(key.ok_or_else(|| invalid("The specified nextToken is invalid."))?)
            }
            None => None,
        };
        let mut rows = if by_time {
            self.by_time(place, &group.name, descending, after.as_deref(), limit + 1).await?
        } else {
            let prefix = stream::key(&group.name, input.log_stream_name_prefix.as_deref().unwrap_or_default());
            self.by_name(place, &prefix, descending, after.as_deref(), limit + 1).await?
        };
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_token = rows.last().filter(|_| more).map(|row| URL_SAFE_NO_PAD.encode(&*row.key));
        let arn = |name: &str| {
            let Place { partition, account, region, .. } = place;
            format!("arn:{partition}:logs:{region}:{account}:log-group:{}:log-stream:{name}", group.name)
        };
        let shown = rows.iter().map(|row| {
            let stream = Stream::from_row(row)?;
            Ok(LogStream {
                arn: Some(arn(&stream.name)),
                creation_time: Some(stream.created),
                first_event_timestamp: stream.first,
                last_event_timestamp: stream.last,
                last_ingestion_time: stream.ingested,
                upload_sequence_token: stream.last.map(|_| super::put::sequence_token(&stream)),
                stored_bytes: Some(0),
                log_stream_name: Some(stream.name),
            })
        });
        let shown: Vec<LogStream> = shown.collect::<Result<_, OperationError>>()?;
        Ok(DescribeLogStreamsResponse { log_streams: Some(shown), next_token })
    }

    async fn by_name(
        &self,
        place: &Place,
        prefix: &str,
        descending: bool,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row>, OperationError> {
        let table = streams(place);
        if !descending {
            return self.store.scan(&table, Scan { prefix, after, limit }).await.map_err(OperationError::internal);
        }
        // Backward: all of them are looked at, and those behind the place are left out.
        let mut found: Vec<Row> = Vec::new();
        loop {
            let last = found.last().map(|row| row.key.clone());
            let scan = Scan { prefix, after: last.as_deref(), limit: super::PAGE };
            let rows = self.store.scan(&table, scan).await.map_err(OperationError::internal)?;
            let count = rows.len();
            found.extend(rows.into_iter().take_while(|row| after.is_none_or(|after| &*row.key < after)));
            if count < super::PAGE || after.is_some_and(|after| found.last().is_some_and(|row| &*row.key >= after)) {
                break;
            }
        }
        found.reverse();
        found.truncate(limit);
        Ok(found)
    }

    /// Streams in the order of their last events; `after` is the key of the last one of the page before.
    async fn by_time(
        &self,
        place: &Place,
        group: &str,
        descending: bool,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row>, OperationError> {
        let table = streams(place);
        let (index, mut from) = if descending {
            (stream::BY_LAST_DESCENDING, stream::key(group, ""))
        } else {
            (stream::BY_LAST, stream::key(group, ""))
        };
        if let Some(after) = after {
            let row = self.store.get(&table, after).await.map_err(OperationError::internal)?;
            let value = row.and_then(|row| row.index.iter().find(|entry| entry.index == index).cloned());
            from = value.ok_or_else(|| invalid("The specified nextToken is invalid."))?.value.into();
        }
        let to = stream::end_of(group);
        let behind = |row: &Row| {
            let value = row.index.iter().find(|entry| entry.index == index).map(|entry| &*entry.value);
            after.is_none_or(|after| value != Some(&from) || &*row.key > after)
        };
        // Those of the same time as the last one are skipped; there may be many.
        let mut asked = limit;
        loop {
            let range = Range { index, from: &from, to: &to, limit: asked };
            let rows = self.store.range(&table, range).await.map_err(OperationError::internal)?;
            let all = rows.len() < asked;
            let mut rows: Vec<Row> = rows.into_iter().filter(behind).collect();
            if all || rows.len() >= limit {
                rows.truncate(limit);
                return Ok(rows);
            }
            asked *= 2;
        }
    }
}

fn read_token(token: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}
