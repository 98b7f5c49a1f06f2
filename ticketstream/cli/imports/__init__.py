"""The commands about imports and replays."""
