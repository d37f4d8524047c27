//! The words of the field: goals, strategies, audits, action plans, actions, their states, and the ports to the outside.
