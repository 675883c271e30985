"""The guest for Elixir: one program that runs on plain `erl`, compiled once for the Elixir of the machine."""
