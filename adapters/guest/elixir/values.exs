# Typed values in Elixir and their wire form.
#
# wire type  in Elixir                                what else goes out as this type
# ---------  ---------------------------------------  ----------------------------------------------------------
# null       nil
# bool       true, false
# int        integer
# float      float; :nan, :infinity, :neg_infinity
# str        String (UTF-8); lone surrogates as the   other atoms
#            three bytes that UTF-8 would give them
# list       list                                     tuples, ranges
# map        map; keys are strings (other types too)  atoms as keys; structs: their fields
# decimal    Decimal                                  as in the package of that name: sign, coef, exp
# fraction   Fraction                                 numerator, denominator
# complex    Complex                                  re, im
# date       Date
# time       Time; with an offset OffsetTime
# datetime   DateTime with its offset; NaiveDateTime
# duration   Timespan (microseconds)                  Duration (Elixir 1.17) of weeks and smaller
# bytes      Bytes (data)                             binaries that are no text
# set        MapSet
# table      Table (columns, rows)
# image      Image (mime, data)
# object     Opaque (class, text)                     functions, pids, references, exceptions, regular expressions

defmodule Understudy.Values do
  @moduledoc false
  alias Understudy.{Bytes, Complex, Decimal, Fraction, Image, OffsetTime, Opaque, Table, Timespan}

  @max_depth 100
  @safe 9_007_199_254_740_991

  # --- from the wire ---

  def decode(%{"$type" => type} = wire), do: decode(type, wire)

  def decode(%{} = wire) do
    Map.new(wire, fn
      {"$" <> key, item} -> {key, decode(item)}
      {key, item} -> {key, decode(item)}
    end)
  end

  def decode(items) when is_list(items), do: Enum.map(items, &decode/1)
  def decode(value), do: value

  defp decode("int", %{"value" => "-0x" <> digits}), do: -String.to_integer(digits, 16)
  defp decode("int", %{"value" => "0x" <> digits}), do: String.to_integer(digits, 16)
  defp decode("int", %{"value" => digits}), do: String.to_integer(digits)
  defp decode("float", %{"value" => "nan"}), do: :nan
  defp decode("float", %{"value" => "inf"}), do: :infinity
  defp decode("float", %{"value" => "-inf"}), do: :neg_infinity
  defp decode("str", %{"value" => data}), do: data |> Base.decode64!() |> from_utf16("")
  defp decode("map", %{"value" => pairs}), do: Map.new(pairs, fn [key, item] -> {decode(key), decode(item)} end)
  defp decode("decimal", %{"value" => text}), do: Decimal.new(text)
  defp decode("complex", %{"value" => [re, im]}), do: %Complex{re: decode(re), im: decode(im)}
  defp decode("date", %{"value" => text}), do: Date.from_iso8601!(text)
  defp decode("bytes", %{"value" => data}), do: %Bytes{data: Base.decode64!(data)}
  defp decode("set", %{"value" => items}), do: MapSet.new(items, &decode/1)
  defp decode("object", %{"class" => class, "text" => text}), do: %Opaque{class: class, text: text}
  defp decode("image", %{"mime" => mime, "value" => data}), do: %Image{mime: mime, data: Base.decode64!(data)}
  defp decode("table", wire), do: %Table{columns: decode(wire["columns"]), rows: decode(wire["rows"])}

  defp decode("fraction", %{"value" => text}) do
    [numerator, denominator] = text |> String.split("/") |> Enum.map(&String.to_integer/1)
    %Fraction{numerator: numerator, denominator: denominator}
  end

  defp decode("duration", %{"value" => text}) do
    [_, sign, seconds | fraction] = Regex.run(~r/^(-?)PT(\d+)(?:\.(\d+))?S$/, text)
    micros = fraction |> Enum.join() |> String.pad_trailing(6, "0") |> String.to_integer()
    total = String.to_integer(seconds) * 1_000_000 + micros
    %Timespan{microseconds: if(sign == "-", do: -total, else: total)}
  end

  defp decode("time", %{"value" => text}) do
    case split_offset(text) do
      {time, nil} -> Time.from_iso8601!(time)
      {time, offset} -> %OffsetTime{time: Time.from_iso8601!(time), offset: offset}
    end
  end

  defp decode("datetime", %{"value" => text}) do
    {date, "T" <> rest} = String.split_at(text, 10)
    {time, offset} = split_offset(rest)
    naive = NaiveDateTime.from_iso8601!(date <> "T" <> time)
    if offset == nil, do: naive, else: at_offset(naive, offset)
  end

  defp split_offset(text) do
    case Regex.run(~r/^([^+-]+)([+-].+)$/, text) do
      nil -> {text, nil}
      [_, local, offset] -> {local, offset}
    end
  end

  defp at_offset(naive, offset) do
    zone = if offset == "+00:00", do: {"Etc/UTC", "UTC"}, else: {"UTC" <> offset, offset}

    struct(DateTime, %{
      Map.from_struct(naive)
      | calendar: Calendar.ISO
    })
    |> Map.merge(%{time_zone: elem(zone, 0), zone_abbr: elem(zone, 1), utc_offset: offset_seconds(offset), std_offset: 0})
  end

  defp offset_seconds(<<sign, rest::binary>>) do
    [hours, minutes | seconds] = rest |> String.split([":", "."]) |> Enum.take(3) |> Enum.map(&String.to_integer/1)
    size = hours * 3600 + minutes * 60 + Enum.sum(seconds)
    if sign == ?-, do: -size, else: size
  end

  # A lone surrogate has no UTF-8; it becomes the three bytes that it would have.
  defp from_utf16(<<high::16-little, low::16-little, rest::binary>>, text)
       when high in 0xD800..0xDBFF and low in 0xDC00..0xDFFF do
    from_utf16(rest, <<text::binary, 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00)::utf8>>)
  end

  defp from_utf16(<<half::16-little, rest::binary>>, text) when half in 0xD800..0xDFFF do
    from_utf16(rest, <<text::binary, 0b1110::4, Bitwise.bsr(half, 12)::4, 0b10::2, Bitwise.bsr(half, 6)::6, 0b10::2, half::6>>)
  end

  defp from_utf16(<<code::16-little, rest::binary>>, text), do: from_utf16(rest, <<text::binary, code::utf8>>)
  defp from_utf16("", text), do: text

  # --- to the wire ---

  @doc "The wire form as JSON iodata. Throws {:understudy, sentence} for what is nested too deep."
  def encode(value, depth \\ 0)
  def encode(nil, _), do: "null"
  def encode(true, _), do: "true"
  def encode(false, _), do: "false"
  def encode(:nan, _), do: tag("float", ~s("nan"))
  def encode(:infinity, _), do: tag("float", ~s("inf"))
  def encode(:neg_infinity, _), do: tag("float", ~s("-inf"))
  def encode(atom, _) when is_atom(atom), do: text(name(atom))
  def encode(number, _) when is_integer(number) and number in -@safe..@safe, do: Integer.to_string(number)
  def encode(number, _) when is_float(number), do: Float.to_string(number)
  def encode(binary, _) when is_binary(binary), do: string(binary)
  def encode(number, _) when is_integer(number), do: tag("int", text(digits(number)))

  def encode(_, depth) when depth >= @max_depth do
    throw({:understudy, "the value is nested deeper than #{@max_depth} levels"})
  end

  def encode(items, depth) when is_list(items) do
    if List.improper?(items), do: opaque("List", items), else: list(items, depth)
  end

  def encode(tuple, depth) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> list(depth)
  def encode(%module{} = value, depth), do: typed(module, value, depth)
  def encode(%{} = map, depth), do: map(map, depth)
  def encode(value, _) when is_function(value), do: opaque("Function", value)
  def encode(value, _) when is_pid(value), do: opaque("PID", value)
  def encode(value, _), do: opaque("Term", value)

  defp typed(Decimal, value, _), do: tag("decimal", text(Decimal.exact(value)))
  defp typed(Fraction, value, _), do: tag("fraction", text("#{value.numerator}/#{value.denominator}"))
  defp typed(Complex, value, depth), do: tag("complex", list([value.re, value.im], depth))
  defp typed(Date, value, _), do: tag("date", text(Date.to_iso8601(value)))
  defp typed(Time, value, _), do: tag("time", text(Time.to_iso8601(value)))
  defp typed(OffsetTime, value, _), do: tag("time", text(Time.to_iso8601(value.time) <> value.offset))
  defp typed(NaiveDateTime, value, _), do: tag("datetime", text(NaiveDateTime.to_iso8601(value)))
  defp typed(Timespan, value, _), do: tag("duration", text(duration(value.microseconds)))
  defp typed(Bytes, value, _), do: tag("bytes", text(Base.encode64(value.data)))
  defp typed(Range, value, depth), do: value |> Enum.to_list() |> list(depth)

  defp typed(DateTime, value, _) do
    local = struct(NaiveDateTime, value |> Map.from_struct() |> Map.take([:year, :month, :day, :hour, :minute, :second, :microsecond, :calendar]))
    tag("datetime", text(NaiveDateTime.to_iso8601(local) <> offset(value.utc_offset + value.std_offset)))
  end

  defp typed(MapSet, value, depth) do
    members = MapSet.to_list(value)
    if Enum.all?(members, &hashable?/1), do: tag("set", sorted(members, depth)), else: list(members, depth)
  end

  defp typed(Table, value, depth) do
    rows = Enum.map(value.rows, &if(is_tuple(&1), do: Tuple.to_list(&1), else: &1))
    [~s({"$type":"table","columns":), list(Enum.map(value.columns, &to_string/1), depth), ~s(,"rows":), list(rows, depth), "}"]
  end

  defp typed(Image, value, _) do
    [~s({"$type":"image","mime":), text(value.mime), ~s(,"value":"), Base.encode64(value.data), ~s("})]
  end

  defp typed(Opaque, value, _), do: [~s({"$type":"object","class":), text(value.class), ~s(,"text":), text(value.text), "}"]

  defp typed(module, value, depth) do
    cond do
      module == Module.concat(["Duration"]) and value.year == 0 and value.month == 0 ->
        seconds = ((value.week * 7 + value.day) * 24 + value.hour) * 3600 + value.minute * 60 + value.second
        tag("duration", text(duration(seconds * 1_000_000 + elem(value.microsecond, 0))))

      is_exception(value) or module in [Regex, Stream, Date.Range, File.Stream, Task, Version, URI] ->
        opaque(inspect(module), if(is_exception(value), do: Exception.message(value), else: value))

      true ->
        map(Map.from_struct(value), depth)
    end
  end

  defp list(items, depth), do: [?[, Enum.intersperse(Enum.map(items, &encode(&1, depth + 1)), ?,), ?]]

  defp sorted(members, depth) do
    parts = members |> Enum.map(&IO.iodata_to_binary(encode(&1, depth + 1))) |> Enum.sort()
    [?[, Enum.intersperse(parts, ?,), ?]]
  end

  defp map(map, depth) do
    pairs = Map.to_list(map)

    cond do
      Enum.all?(pairs, fn {key, _} -> plain_key?(key) end) -> object(pairs, depth)
      Enum.all?(pairs, fn {key, _} -> hashable?(key) end) -> tag("map", pairs(pairs, depth))
      true -> pairs(pairs, depth)
    end
  end

  defp plain_key?(key) when is_binary(key), do: String.valid?(key)
  defp plain_key?(key), do: is_atom(key) and key not in [nil, true, false, :nan, :infinity, :neg_infinity]

  defp object(pairs, depth) do
    parts = Enum.map(pairs, fn {key, item} -> [key |> key_text() |> escaped() |> text(), ?: | encode(item, depth + 1)] end)
    [?{, Enum.intersperse(parts, ?,), ?}]
  end

  defp key_text(key), do: if(is_atom(key), do: name(key), else: key)
  defp escaped("$" <> _ = key), do: "$" <> key
  defp escaped(key), do: key

  defp pairs(pairs, depth), do: list(Enum.map(pairs, &Tuple.to_list/1), depth - 1)

  # Python can hash it: no maps, tables or unknown structs inside.
  defp hashable?(key) when is_list(key), do: Enum.all?(key, &hashable?/1)
  defp hashable?(key) when is_tuple(key), do: key |> Tuple.to_list() |> hashable?()
  defp hashable?(%MapSet{} = set), do: set |> MapSet.to_list() |> hashable?()

  defp hashable?(%module{}) do
    module in [Decimal, Fraction, Complex, Date, Time, OffsetTime, NaiveDateTime, DateTime, Timespan, Bytes, Image, Opaque]
  end

  defp hashable?(key), do: not is_map(key)

  defp string(binary) do
    cond do
      String.valid?(binary) -> text(binary)
      utf16 = surrogates(binary, "") -> tag("str", text(Base.encode64(utf16)))
      true -> tag("bytes", text(Base.encode64(binary)))
    end
  end

  # UTF-16 for text with lone surrogates, or nil for what is no text at all.
  defp surrogates(<<code::utf8, rest::binary>>, utf16), do: surrogates(rest, <<utf16::binary, code::utf16-little>>)

  defp surrogates(<<0b1110::4, 0xD::4, 0b10::2, b::6, 0b10::2, c::6, rest::binary>>, utf16) when b >= 0b100000 do
    surrogates(rest, <<utf16::binary, 0xD000 + b * 64 + c::16-little>>)
  end

  defp surrogates("", utf16), do: utf16
  defp surrogates(_, _), do: nil

  defp digits(number) when abs(number) < 0x1000000000000000000000000000000000000000000000000000000000000000, do: Integer.to_string(number)
  defp digits(number) when number < 0, do: "-0x" <> Integer.to_string(-number, 16)
  defp digits(number), do: "0x" <> Integer.to_string(number, 16)

  defp duration(micros) do
    fraction = micros |> abs() |> rem(1_000_000) |> Integer.to_string() |> String.pad_leading(6, "0") |> String.trim_trailing("0")
    dot = if fraction == "", do: "", else: "."
    "#{if micros < 0, do: "-"}PT#{div(abs(micros), 1_000_000)}#{dot}#{fraction}S"
  end

  defp offset(seconds) do
    [hours, minutes, rest] = [div(abs(seconds), 3600), rem(div(abs(seconds), 60), 60), rem(abs(seconds), 60)]
    parts = if rest == 0, do: [hours, minutes], else: [hours, minutes, rest]
    sign = if seconds < 0, do: "-", else: "+"
    sign <> Enum.map_join(parts, ":", &String.pad_leading(Integer.to_string(&1), 2, "0"))
  end

  defp name(atom) do
    case Atom.to_string(atom) do
      "Elixir." <> alias -> alias
      text -> text
    end
  end

  defp opaque(class, value) do
    about = if is_binary(value), do: value, else: inspect(value, limit: 50)
    [~s({"$type":"object","class":), text(class), ~s(,"text":), text(about |> String.slice(0, 1000)), "}"]
  end

  defp tag(type, value), do: [~s({"$type":"), type, ~s(","value":), value, ?}]

  @doc "A JSON string. What is not UTF-8 in it is replaced."
  def text(binary) do
    binary = if String.valid?(binary), do: binary, else: inspect(binary)
    [?", escape(binary, binary, 0, []), ?"]
  end

  defp escape(<<c, rest::binary>>, start, length, parts) when c < 32 or c in ~c("\\) do
    escaped = ["\\u00", Base.encode16(<<c>>, case: :lower)]
    escape(rest, rest, 0, [parts, binary_part(start, 0, length) | escaped])
  end

  defp escape(<<_, rest::binary>>, start, length, parts), do: escape(rest, start, length + 1, parts)
  defp escape("", start, length, parts), do: [parts | binary_part(start, 0, length)]
end
