//! Every function of the store, on every backend that is there.

mod bulk;
mod claims;
mod differential;
mod errors;
mod fixtures;
mod migrations;
mod nouns;
mod pages;
mod runs;
