//! The API as clients see it: a router over a real database, with an in-process bus.

mod exchanges;
mod openapi;
mod operations;
mod robustness;
mod service;
