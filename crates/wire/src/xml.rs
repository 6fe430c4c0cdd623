//! XML as in REST-XML and in the answers of the query protocols.
