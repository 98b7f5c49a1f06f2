"""The Faust app: topics, tables and one thin agent for each stage."""
