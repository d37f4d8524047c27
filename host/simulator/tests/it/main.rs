//! The simulated cloud as its clients see it: over HTTP.

mod faults;
mod generator;
mod keystone;
mod listener;
mod migrations;
mod nova;
mod placement;
mod prometheus;
mod support;
