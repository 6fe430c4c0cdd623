//! HTTP bindings: how a structure spreads over path, query, headers, status and body.
