//! Applier: runs one action plan, in graph order, and reverts what failed.
