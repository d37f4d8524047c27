//! Decision engine: runs one audit from claim to recorded action plan.
