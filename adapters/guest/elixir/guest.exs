# The guest for Elixir: reads one request frame from descriptor 0, evaluates the program, writes report frames to descriptor 3.
# Elixir 1.14 and later, standard library only. See adapters/guest/protocol.py for the frames.
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

defmodule Understudy.Decimal do
  @moduledoc "Exact decimal numbers: value = sign * coef * 10^exp; coef may be :NaN or :inf."
  defstruct sign: 1, coef: 0, exp: 0

  def new(%__MODULE__{} = decimal), do: decimal
  def new(number) when is_integer(number), do: %__MODULE__{sign: sign(number), coef: abs(number)}
  def new(number) when is_float(number), do: number |> Float.to_string() |> new()

  def new(text) when is_binary(text) do
    case Regex.run(~r/^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?$/, text) do
      nil -> special(text)
      [_, sign | parts] -> finite(sign, parts)
    end
  end

  def from_float(number), do: new(number)

  defp finite(sign, parts) do
    [whole, after_whole, alone, exponent] = Enum.take(parts ++ ["", "", "", ""], 4)
    fraction = after_whole <> alone
    exponent = if exponent == "", do: 0, else: String.to_integer(exponent)
    coef = String.to_integer("0" <> whole <> fraction)
    %__MODULE__{sign: if(sign == "-", do: -1, else: 1), coef: coef, exp: exponent - byte_size(fraction)}
  end

  # A NaN may carry digits, which exp keeps.
  defp special(text) do
    case Regex.run(~r/^([+-]?)(?:(inf)(?:inity)?|(s?nan)(\d*))$/i, text) do
      [_, sign, _inf] -> %__MODULE__{sign: if(sign == "-", do: -1, else: 1), coef: :inf}
      [_, sign, "", kind, digits] ->
        coef = if String.downcase(kind) == "snan", do: :sNaN, else: :NaN
        exp = if digits == "", do: 0, else: String.to_integer(digits)
        %__MODULE__{sign: if(sign == "-", do: -1, else: 1), coef: coef, exp: exp}
      nil -> raise ArgumentError, "#{inspect(text)} is not a decimal number"
    end
  end

  def add(one, other) do
    {a, b, exp} = aligned(one, other)
    from_integer(a + b, exp)
  end

  def sub(one, other), do: add(one, negate(other))

  def mult(one, other) do
    {one, other} = {new(one), new(other)}
    from_integer(signed(one) * signed(other), one.exp + other.exp)
  end

  def negate(number) do
    decimal = new(number)
    %{decimal | sign: -decimal.sign}
  end

  def compare(one, other) do
    {a, b, _} = aligned(one, other)
    cond do
      a < b -> :lt
      a > b -> :gt
      true -> :eq
    end
  end

  def eq?(one, other), do: compare(one, other) == :eq
  def equal?(one, other), do: eq?(one, other)
  def lt?(one, other), do: compare(one, other) == :lt
  def gt?(one, other), do: compare(one, other) == :gt
  def positive?(number), do: signed(new(number)) > 0
  def negative?(number), do: signed(new(number)) < 0

  @doc "To so many places; :half_up, :half_even or :down."
  def round(number, places \\ 0, mode \\ :half_up) do
    decimal = new(number)
    drop = -places - decimal.exp

    if drop <= 0 do
      %{decimal | coef: decimal.coef * power(-drop), exp: -places}
    else
      divisor = power(drop)
      {quotient, rest} = {div(decimal.coef, divisor), rem(decimal.coef, divisor)}
      up? =
        case mode do
          :down -> false
          :half_up -> rest * 2 >= divisor
          :half_even -> rest * 2 > divisor or (rest * 2 == divisor and rem(quotient, 2) == 1)
        end
      %{decimal | coef: if(up?, do: quotient + 1, else: quotient), exp: -places}
    end
  end

  def to_float(number) do
    decimal = new(number)
    {float, ""} = Float.parse("#{signed(decimal)}.0e#{decimal.exp}")
    float
  end

  def to_integer(number), do: number |> Understudy.Decimal.round(0, :down) |> signed()

  def to_string(decimal, _mode \\ :normal)
  def to_string(%{coef: coef} = decimal, _mode) when is_atom(coef), do: exact(decimal)

  def to_string(decimal, _mode) do
    sign = if decimal.sign < 0, do: "-", else: ""
    digits = Integer.to_string(decimal.coef)

    if decimal.exp >= 0 do
      sign <> digits <> String.duplicate("0", decimal.exp)
    else
      digits = String.pad_leading(digits, 1 - decimal.exp, "0")
      {whole, fraction} = String.split_at(digits, decimal.exp)
      sign <> whole <> "." <> fraction
    end
  end

  @doc false
  def exact(%{sign: sign, coef: coef, exp: exp}) do
    minus = if sign < 0, do: "-", else: ""

    case coef do
      :inf -> minus <> "Infinity"
      kind when is_atom(kind) -> minus <> Atom.to_string(kind) <> if(exp == 0, do: "", else: Integer.to_string(exp))
      _ -> "#{minus}#{coef}E#{exp}"
    end
  end

  defp sign(number), do: if(number < 0, do: -1, else: 1)
  defp signed(decimal), do: decimal.sign * decimal.coef
  defp power(exponent), do: Integer.pow(10, exponent)
  defp from_integer(number, exp), do: %__MODULE__{sign: sign(number), coef: abs(number), exp: exp}

  defp aligned(one, other) do
    {one, other} = {new(one), new(other)}
    exp = min(one.exp, other.exp)
    {signed(one) * power(one.exp - exp), signed(other) * power(other.exp - exp), exp}
  end
end

defimpl String.Chars, for: Understudy.Decimal do
  def to_string(decimal), do: Understudy.Decimal.to_string(decimal)
end

defimpl Inspect, for: Understudy.Decimal do
  def inspect(decimal, _options), do: "#Decimal<#{Understudy.Decimal.to_string(decimal)}>"
end

defmodule Understudy.JSON do
  @moduledoc false
  # JSON text to maps, lists, binaries, numbers. The host wrote it, so it is well formed.

  def parse(text) do
    {value, _rest} = value(skip(text))
    value
  end

  defp value(<<"\"", rest::binary>>), do: string(rest, rest, 0, [])
  defp value(<<"{", rest::binary>>), do: object(skip(rest), [])
  defp value(<<"[", rest::binary>>), do: array(skip(rest), [])
  defp value(<<"null", rest::binary>>), do: {nil, rest}
  defp value(<<"true", rest::binary>>), do: {true, rest}
  defp value(<<"false", rest::binary>>), do: {false, rest}
  defp value(text), do: number(text, text, 0, false)

  defp skip(<<c, rest::binary>>) when c in ~c" \t\r\n,:", do: skip(rest)
  defp skip(text), do: text

  defp object(<<"}", rest::binary>>, pairs), do: {Map.new(pairs), rest}

  defp object(<<"\"", rest::binary>>, pairs) do
    {key, rest} = string(rest, rest, 0, [])
    {item, rest} = value(skip(rest))
    object(skip(rest), [{key, item} | pairs])
  end

  defp array(<<"]", rest::binary>>, items), do: {Enum.reverse(items), rest}

  defp array(text, items) do
    {item, rest} = value(text)
    array(skip(rest), [item | items])
  end

  defp string(<<"\"", rest::binary>>, start, length, parts) do
    {IO.iodata_to_binary([parts | binary_part(start, 0, length)]), rest}
  end

  defp string(<<"\\u", hex::binary-size(4), rest::binary>>, start, length, parts) do
    {character, rest} = escape(String.to_integer(hex, 16), rest)
    string(rest, rest, 0, [parts, binary_part(start, 0, length) | character])
  end

  defp string(<<"\\", c, rest::binary>>, start, length, parts) do
    character = Map.get(%{?n => "\n", ?t => "\t", ?r => "\r", ?b => "\b", ?f => "\f"}, c, <<c>>)
    string(rest, rest, 0, [parts, binary_part(start, 0, length) | character])
  end

  defp string(<<_, rest::binary>>, start, length, parts), do: string(rest, start, length + 1, parts)

  defp escape(high, <<"\\u", hex::binary-size(4), rest::binary>>) when high in 0xD800..0xDBFF do
    low = String.to_integer(hex, 16)
    {<<0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00)::utf8>>, rest}
  end

  defp escape(code, rest), do: {<<code::utf8>>, rest}

  defp number(<<c, rest::binary>>, start, length, float?) when c in ~c"0123456789+-.eE" do
    number(rest, start, length + 1, float? or c in ~c".eE")
  end

  defp number(rest, start, length, false), do: {String.to_integer(binary_part(start, 0, length)), rest}

  defp number(rest, start, length, true) do
    {float, ""} = Float.parse(binary_part(start, 0, length))
    {float, rest}
  end
end

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

defmodule Understudy.Guest do
  @moduledoc false
  alias Understudy.{JSON, Values}

  @file_name "program.exs"
  @types ~w(Bytes Complex Decimal Fraction Image OffsetTime Opaque Table Timespan)
  @machinery [Code, Module.ParallelChecker, Understudy.Guest, :erl_eval, :proc_lib]

  @doc "Run the request on descriptor 0 and end the machine."
  def main do
    {:ok, _} = Application.ensure_all_started(:elixir)
    # Reports about crashed processes would show the guest's own; their exits reach the program anyway.
    :logger.add_handler_filter(:default, :understudy, {&:logger_filters.domain/2, {:stop, :sub, [:otp]}})
    request = read_request()
    report = Port.open({:fd, 3, 3}, [:out, :binary, {:packet, 4}])
    Process.register(report, :understudy_report)
    user = Process.whereis(:user)
    console = spawn_link(fn -> console(user) end)

    parent = self()

    {_pid, monitor} =
      spawn_monitor(fn ->
        Process.group_leader(self(), console)
        exit({:understudy, run(request, parent)})
      end)

    System.halt(await(monitor, nil))
  end

  # The place of the expression that runs is kept here as well, for when the program is killed through a link.
  defp await(monitor, place) do
    receive do
      {:understudy_place, place} -> await(monitor, place)
      {:DOWN, ^monitor, _, _, {:understudy, code}} -> code
      {:DOWN, ^monitor, _, _, {error, stack}} when is_exception(error) -> failed(:error, error, stack, place)
      {:DOWN, ^monitor, _, _, reason} -> failed(:exit, reason, [], place)
    end
  end

  # What the program writes goes on to the machine's own console; what it wants to read is at its end.
  defp console(user) do
    receive do
      {:io_request, from, reply_as, request} when elem(request, 0) in [:get_line, :get_chars, :get_until] ->
        send(from, {:io_reply, reply_as, :eof})

      message ->
        send(user, message)
    end

    console(user)
  end

  @doc "Show something beside the value: an Image, or text of a MIME type."
  def display(value, mime \\ "text/plain")

  def display(%Understudy.Image{mime: mime, data: data}, _), do: send_display(mime, Base.encode64(data))
  def display(%Understudy.Bytes{data: data}, mime), do: send_display(mime, Base.encode64(data))
  def display(value, mime), do: send_display(mime, to_string(value))

  defp send_display(mime, data) do
    report([~s({"kind":"display","mime":), Values.text(mime), ~s(,"data":), Values.text(data), "}"])
  end

  defp read_request do
    port = Port.open({:fd, 0, 0}, [:in, :binary, :eof, {:packet, 4}])

    receive do
      {^port, {:data, body}} ->
        Port.close(port)
        JSON.parse(body)

      {^port, :eof} ->
        IO.puts(:stderr, "the request frame is cut short")
        System.halt(70)
    end
  end

  defp run(request, parent) do
    code = request["code"]

    with {:ok, expressions} <- parse(code),
         {:ok, value, binding} <- evaluate(expressions, code, Values.decode(request["inputs"]), parent) do
      value = Keyword.get(binding, :result, value)
      send_value(value, request["max_value_bytes"])
    else
      {:failed, kind, reason, stack, place} -> failed(kind, reason, stack, place)
    end
  end

  defp parse(code) do
    case Code.string_to_quoted!(code, file: @file_name, columns: true) do
      {:__block__, _, expressions} -> {:ok, expressions}
      expression -> {:ok, [expression]}
    end
  rescue
    error -> {:failed, :error, error, [], nil}
  end

  # One expression after the other, because interpreted code has no lines of its own: the place of an error is that of the
  # expression it is in.
  defp evaluate(expressions, code, inputs, parent) do
    env = prepared(preamble(code), start_env())
    evaluate_each(expressions, {nil, [inputs: inputs], env}, parent, nil)
  end

  # Recursion of our own, not Enum: its frames would look like the program's.
  defp evaluate_each([], {value, binding, _env}, _parent, _place), do: {:ok, value, binding}

  defp evaluate_each([expression | rest], {_value, binding, env}, parent, place) do
    place = place(expression) || place
    send(parent, {:understudy_place, place})

    case evaluate_one(expression, binding, env, place) do
      {:failed, _, _, _, _} = failed -> failed
      outcome -> evaluate_each(rest, outcome, parent, place)
    end
  end

  defp evaluate_one(expression, binding, env, place) do
    Code.eval_quoted_with_env(expression, binding, env)
  catch
    kind, reason -> {:failed, kind, reason, __STACKTRACE__, place}
  end

  defp prepared([], env), do: env

  defp prepared([quoted | rest], env) do
    {_, _, env} = Code.eval_quoted_with_env(quoted, [], env)
    prepared(rest, env)
  end

  defp start_env, do: %{Code.env_for_eval(file: @file_name, line: 1) | file: @file_name}

  # The types go by their short names, unless the program defines modules of those names.
  defp preamble(code) do
    free = Enum.reject(@types, &String.contains?(code, "defmodule " <> &1))
    aliases = for name <- free, do: "alias Understudy.#{name}, warn: false"
    shown = if String.contains?(code, "display"), do: ["import Understudy.Guest, only: [display: 1, display: 2], warn: false"], else: []
    Enum.map(aliases ++ shown, &Code.string_to_quoted!/1)
  end

  defp place(expression) do
    {_, places} =
      Macro.prewalk(expression, [], fn
        {_, meta, _} = node, places -> {node, if(meta[:line], do: [{meta[:line], meta[:column] || 1} | places], else: places)}
        node, places -> {node, places}
      end)

    Enum.min(places, fn -> nil end)
  end

  defp send_value(value, limit) do
    json = IO.iodata_to_binary(Values.encode(value))

    if limit != nil and byte_size(json) > limit do
      refused("TooLargeError", "the value takes #{byte_size(json)} bytes; the limit is #{limit}")
    else
      report([~s({"kind":"value","value":), json, "}"])
      0
    end
  catch
    {:understudy, sentence} -> refused("ValueFormatError", sentence)
  end

  defp refused(type, sentence) do
    IO.puts(:stderr, "** (#{type}) #{sentence}")
    report_error(type, sentence, nil)
    1
  end

  defp failed(:exit, reason, _, _) when reason in [:normal, :shutdown], do: 0
  defp failed(:exit, {:shutdown, code}, _, _) when is_integer(code) and code in 0..255, do: exited(code)

  defp failed(kind, reason, stack, place) do
    error = if kind == :error, do: Exception.normalize(:error, reason, stack), else: reason
    {error, stack} = if kind == :error, do: Exception.blame(:error, error, stack), else: {error, stack}
    frames = Enum.reject(stack, &machinery?/1)
    own = Enum.find_value(frames, fn {_, _, _, location} -> location[:file] == ~c"program.exs" && {location[:line], nil} end)
    banner = Exception.format_banner(kind, error, stack)
    top = if place, do: ["    #{@file_name}:#{elem(place, 0)}: (file)"], else: []
    trace = Enum.map(frames, &("    " <> Exception.format_stacktrace_entry(&1)))
    IO.puts(:stderr, Enum.join([banner | trace ++ top], "\n"))
    {type, message} = if kind == :error, do: {inspect(error.__struct__), Exception.message(error)}, else: {Atom.to_string(kind), inspect(reason)}
    report_error(type, message, stated(error) || own || place)
    1
  end

  defp exited(0), do: 0

  defp exited(code) do
    report_error("Exit", "the program exited with code #{code}", nil)
    code
  end

  # Where a syntax or compile error says it is.
  defp stated(%{line: line} = error) when is_integer(line), do: {line, Map.get(error, :column)}
  defp stated(_), do: nil

  defp machinery?({module, _, _, _}) do
    module in @machinery or String.starts_with?(Atom.to_string(module), "elixir")
  end

  defp machinery?(_), do: true

  defp report_error(type, message, place) do
    {line, column} = place || {nil, nil}
    where = [~s(,"line":), to_string(line || "null"), ~s(,"column":), to_string(column || "null"), "}"]
    report([~s({"kind":"error","type":), Values.text(type), ~s(,"message":), Values.text(String.slice(message, 0, 10_000)) | where])
  end

  defp report(json), do: Port.command(:understudy_report, json)
end
