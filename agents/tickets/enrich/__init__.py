"""The stage that makes a whole ticket of a change."""
