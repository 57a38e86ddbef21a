//! Query language, planner, execution.
