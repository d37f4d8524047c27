//! The API as clients see it: a router over a real database, with an in-process bus.
#![expect(clippy::print_stdout, reason = "a skip is printed")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod conduct;
mod contract;
mod data_model;
mod docs;
mod exchanges;
mod hostile;
mod lists;
mod openapi;
mod operations;
mod patches;
mod places;
mod plugins;
mod races;
mod recent;
mod robustness;
mod service;
mod texts;
