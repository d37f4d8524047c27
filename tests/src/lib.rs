//! Scenarios over the real parts, and the benchmark.
