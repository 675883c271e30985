# The types that Elixir lacks. Programs see each of them under its short name.

defmodule Understudy.Fraction do
  defstruct [:numerator, :denominator]
end

defmodule Understudy.Complex do
  defstruct [:re, :im]
end

defmodule Understudy.OffsetTime do
  defstruct [:time, :offset]
end

defmodule Understudy.Timespan do
  defstruct microseconds: 0
end

defmodule Understudy.Bytes do
  defstruct data: ""
end

defmodule Understudy.Table do
  defstruct columns: [], rows: []

  @doc "Rows as maps, column name to cell."
  def maps(table), do: Enum.map(table.rows, &Map.new(Enum.zip(table.columns, &1)))
end

defmodule Understudy.Image do
  defstruct mime: "image/png", data: ""
end

defmodule Understudy.Opaque do
  defstruct class: "", text: ""
end
