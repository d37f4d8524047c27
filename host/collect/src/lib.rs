//! Collectors build the cluster data model; datasources answer metric queries.
