//! The REST API of service type infra-optim.
